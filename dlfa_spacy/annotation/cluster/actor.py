"""The worker as an actor of Ray Data: what `map_batches` calls with one shard after the other."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..annotator import BrokenDevice
from ..folder import ROWS
from ..manifest import check_machine, read_manifest
from ..settings import AnnotationSettings
from ..worker import DONE, ShardWorker, problem


class ShardActor:
    """Annotates shards on whichever machine Ray has put it.

    settings (AnnotationSettings): How texts are annotated.
    out (Path): The folder of the result, which all machines share.
    manifest (Dict[str, Any]): What the result is made with.
    on_gpu (bool): Ray has given it a GPU.
    ledger (Any): Handle of the `Ledger`.
    """

    def __init__(
        self,
        settings: AnnotationSettings,
        out: Path,
        manifest: dict[str, Any],
        *,
        on_gpu: bool,
        ledger: Any,
    ) -> None:
        import ray

        self._ray = ray
        self._ledger = ledger
        self._model = settings.model
        torch.set_num_threads(1)
        actor = ray.get_runtime_context().get_actor_id()
        with self._problems():
            self._ask("start", actor)
            check_shared(out, manifest)
            check_machine(settings, manifest)
            # Of those that Ray has given it, not of those that the machine has.
            self._worker = ShardWorker(settings, out, gpu_id=0 if on_gpu else -1)
            self._ask("ready", actor)

    def __call__(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Annotate a shard, and write it.

        batch (Mapping[str, Any]): Its `place`, in an array of one.
        RETURNS (Mapping[str, Any]): The same.
        """
        (place,) = batch["place"].tolist()
        with self._problems():
            while (task := self._ask("task", place)) is not None:
                self._worker.do(task, partial(self._ask, "say", place))
                self._ask("say", place, DONE)
        return batch

    def _ask(self, what: str, *arguments: Any) -> Any:
        # With the answer it is certain that it was heard, whatever kills this process next.
        try:
            return self._ray.get(getattr(self._ledger, what).remote(*arguments))
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None

    @contextmanager
    def _problems(self) -> Iterator[None]:
        try:
            yield
        except BrokenDevice:
            # Ray replaces this process.
            os._exit(1)
        except Exception as error:
            kind, message = problem(error, self._model)
            self._ask("problem", kind, f"On {socket.gethostname()}: {message}")
            raise


def check_shared(out: Path, manifest: dict[str, Any]) -> None:
    """See that a result can be written from here to where the command wants it.

    out (Path): The folder of the result.
    manifest (Dict[str, Any]): What the command has written there.
    RAISES (ValueError): It is not that folder, or cannot be written to.
    """
    found = "another folder, or none" if read_manifest(out) != manifest else ""
    try:
        if not found:
            with tempfile.TemporaryFile(dir=out / ROWS):
                pass
    except OSError as error:
        found = f"one that cannot be written to ({error})"
    if found:
        raise ValueError(
            f"OUT {out}: found {found}, expected the folder that the command has made. Fix: choose "
            "one on a disk that all machines of the cluster share, and where they may write."
        )
