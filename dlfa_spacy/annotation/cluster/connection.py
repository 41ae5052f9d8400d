"""A connection to a Ray cluster."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...runs.children import ENVIRONMENT

LOCAL, AUTO = "local", "auto"
_SECONDS_TO_REACH = 10
# Places of shards and numbers are all that goes through it; Ray wants 75 MB at least.
_OBJECT_STORE = 80 * 2**20
# Read when it is imported. No statistics are sent, no cluster is started because a thread asks for
# something after the end, and of deaths the watcher tells.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DEDUP_LOGS_SKIP_REGEX": "worker died or was killed|retries remaining|Raylet is terminated",
}


def require_ray() -> Any:
    """RETURNS (Any): The module `ray`, with `ray.data`.
    RAISES (ImportError): It is not installed.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError(
            'Ray is not installed, or Ray Data is not. Fix: pip install "dlfa_spacy[ray]".'
        ) from error
    return ray


@contextmanager
def connected(address: str, n_actors: int, *, on_gpu: bool) -> Iterator[Any]:
    """Connect to a cluster; or have one on this machine, as long as this lasts.

    address (str): HOST:PORT; "auto" for the cluster that this machine is in, "local" to start one.
    n_actors (int): How many a local one must have room for.
    on_gpu (bool): Each has a GPU.
    YIELDS (Any): The module `ray`.
    RAISES (ValueError): There is no cluster.
    """
    ray = require_ray()
    options: dict[str, Any] = {}
    if address == LOCAL:
        options = {
            "num_cpus": n_actors,
            "num_gpus": n_actors if on_gpu else 0,
            "object_store_memory": _OBJECT_STORE,
            "include_dashboard": False,
        }
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if address not in (LOCAL, AUTO):
            # Ray would try for minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), _SECONDS_TO_REACH).close()
        ray.init(
            address,
            runtime_env={"env_vars": ENVIRONMENT},
            logging_level="error",
            log_to_driver=False,
            **options,
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--ray = {address}: found no Ray cluster there ({error}), expected HOST:PORT of one, "
            f"{AUTO} or {LOCAL}. Fix: ray start --head on one machine, ray start --address "
            "HOST:PORT on the others."
        ) from error
    try:
        if threading.current_thread() is threading.main_thread():
            # With its own, Ray would end the command.
            signal.signal(signal.SIGTERM, handler)
        yield ray
    finally:
        ray.shutdown()
