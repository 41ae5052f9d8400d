"""What every process that a command starts needs, before its libraries load and after."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process

# Set before torch, tokenizers and BLAS are loaded. A process takes its threads from torch, where
# they can still be changed; with the same hash seed, nothing depends on the order of a set.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
}


@contextmanager
def environment() -> Iterator[None]:
    """The environment in which processes are started.

    YIELDS (None): Nothing.
    """
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    os.environ.update(ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def die_with_parent() -> None:
    """A command that is killed must not leave processes behind that write into its folder."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
