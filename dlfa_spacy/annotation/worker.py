"""A process that annotates one shard after the other, as it is told over a pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from ..runs.children import die_with_parent
from .annotator import Annotator, BrokenDevice
from .folder import ShardWriter
from .settings import AnnotationSettings
from .shards import Shard, read

# What a worker says: a word, and what belongs to it.
READY, ROW, TEXTS, DONE, PROBLEM = "ready", "row", "texts", "done", "problem"
Say = Callable[..., None]


@dataclass(frozen=True)
class Task:
    """A shard, and how it is done this time.

    shard (Shard): The shard.
    alone (bool): Each text in a batch of its own, which is told before its turn.
    write (bool): Write what comes of it.
    skip (Dict[int, str]): Rows that are not annotated, and why.
    """

    shard: Shard
    alone: bool = False
    write: bool = True
    skip: dict[int, str] = field(default_factory=dict)


class ShardWorker:
    """Does tasks with one pipeline, which it loads once. It knows of no other process: whoever
    calls it may be a process of this package, or an actor of a framework for clusters.

    settings (AnnotationSettings): How texts are annotated.
    out (Path): The folder of the result.
    gpu_id (int): GPU, or -1 for the CPU.
    """

    def __init__(self, settings: AnnotationSettings, out: Path, gpu_id: int = -1) -> None:
        self.annotator = Annotator.of(settings, gpu_id)
        self.writer = ShardWriter(out, self.annotator)

    def do(self, task: Task, say: Say = lambda *message: None) -> None:
        """Annotate a shard and write it. Done twice, it gives the same bytes.

        task (Task): The shard.
        say (Callable): Told `(ROW, number)` and `(TEXTS, texts, words, failed)` on the way.
        RAISES (ValueError): The input is not what it was.
        RAISES (OSError): It cannot be read, or the result cannot be written.
        RAISES (BrokenDevice): The GPU answers no more: this process must be replaced.
        """
        annotated = self.annotator.annotate(
            list(read(task.shard, self.annotator.settings)),
            self.writer.encode(task.shard),
            skip=task.skip,
            alone=task.alone,
            on_row=lambda number: say(ROW, number),
            on_texts=lambda *counts: say(TEXTS, *counts),
        )
        if task.write:
            self.writer.write(task.shard, annotated)


def work(connection: Connection, settings: AnnotationSettings, out: str, gpu_id: int) -> None:
    """Do tasks until this process is ended. It is the target of a process.

    connection (Connection): Gives one Task after the other, and takes what the worker says.
    settings (AnnotationSettings): How texts are annotated.
    out (str): The folder of the result.
    gpu_id (int): GPU, or -1 for the CPU.
    """
    # Ctrl-C reaches the whole group; who started this one decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    die_with_parent()
    torch.set_num_threads(1)

    def say(*message: Any) -> None:
        connection.send(message)

    try:
        worker = ShardWorker(settings, Path(out), gpu_id)
        say(READY)
        while True:
            worker.do(connection.recv(), say)
            say(DONE)
    except BrokenDevice as error:
        print(f"{error}: this process is replaced.", file=sys.stderr, flush=True)
        os._exit(1)
    except Exception as error:
        say(PROBLEM, *problem(error, settings.model))


def problem(error: Exception, model: str) -> tuple[type[Exception], str]:
    """Say what stops a worker in a way that every process understands.

    error (Exception): What it could not handle.
    model (str): Its pipeline.
    RETURNS (Tuple[Type[Exception], str]): OSError, ImportError or ValueError, and the message.
    """
    for kind in (OSError, ImportError, ValueError):
        if isinstance(error, kind):
            return kind, str(error)
    return ValueError, f"{model}: {type(error).__name__}: {error}"
