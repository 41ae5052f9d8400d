"""Texts of requests that arrive together, annotated together by one thread."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .settings import ServeSettings


@dataclass(frozen=True)
class Job:
    """A text to annotate.

    text (str): The text, or a pair as `join_pair` writes it.
    layers (bool): Tell the layers that each token reads.
    """

    text: str
    layers: bool = False


Annotate = Callable[[Sequence[Job]], Sequence[Any]]


class Busy(Exception):
    """Too many texts wait already."""


class PipelineFailed(Exception):
    """The pipeline raised an error. Only its type is told: its message may have the text in it."""


@dataclass
class _Waiting:
    job: Job
    answer: Future = field(default_factory=Future)


class Batcher:
    """Annotates in a thread of its own whatever waits, a batch at a time.

    annotate (Callable[[Sequence[Job]], Sequence[Any]]): What becomes of a batch, an answer a job.
    settings (ServeSettings): The sizes of a batch.
    """

    def __init__(self, annotate: Annotate, settings: ServeSettings) -> None:
        self.annotate = annotate
        self.settings = settings
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(settings.waiting)
        # Did not fit into the batch before.
        self._next: _Waiting | None = None
        self._is_crowded = False
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="dlfa-serve", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """Answer all that waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def submit(self, jobs: Sequence[Job]) -> list[Future]:
        """
        jobs (Sequence[Job]): Texts of one request.
        RETURNS (List[Future]): An answer each.
        RAISES (Busy): Too many wait. None of these jobs is annotated.
        """
        entries = [_Waiting(job) for job in jobs]
        try:
            for entry in entries:
                self._waiting.put_nowait(entry)
        except queue.Full:
            for entry in entries:
                entry.answer.cancel()
            raise Busy from None
        return [entry.answer for entry in entries]

    def _work(self) -> None:
        while batch := self._collect():
            wanted = [entry for entry in batch if entry.answer.set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)

    def _collect(self) -> list[_Waiting]:
        """RETURNS (List[_Waiting]): The next batch; empty when it is time to stop."""
        first, self._next = self._next, None
        if first is None and not self._is_over:
            first = self._waiting.get()
        if first is None:
            return []
        batch, characters = [first], len(first.job.text)
        wait = self.settings.max_wait / 1000 if self._is_crowded else 0.0
        until = time.monotonic() + wait
        while len(batch) < self.settings.batch_texts:
            try:
                left = until - time.monotonic()
                entry = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                self._is_over = True
                break
            characters += len(entry.job.text)
            if characters > self.settings.batch_characters:
                self._next = entry
                break
            batch.append(entry)
        self._is_crowded = len(batch) > 1
        return batch

    def _answer(self, batch: Sequence[_Waiting]) -> None:
        try:
            answers = self.annotate([entry.job for entry in batch])
        except Exception as error:
            if len(batch) > 1:
                # The texts that are not at fault have their answers.
                for entry in batch:
                    self._answer([entry])
            else:
                batch[0].answer.set_exception(PipelineFailed(type(error).__name__))
        else:
            for entry, answer in zip(batch, answers, strict=True):
                entry.answer.set_result(answer)
