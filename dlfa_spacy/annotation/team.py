"""The processes that annotate: each has one shard at a time, and is replaced when it dies."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, Protocol

from ..runs.children import environment
from .attempts import DEATHS, Attempts
from .folder import read_record
from .settings import AnnotationSettings
from .shards import Shard
from .worker import DONE, PROBLEM, READY, ROW, TEXTS, work

# Neither CUDA nor the threads of torch survive a fork.
_START = "spawn"
_SECONDS_TO_STOP = 5.0
_KEPT = "What is done is kept. Fix: make it possible, and give the same command again: it goes on."


class Watcher(Protocol):
    """Is told what happens."""

    def planned(self, texts: int, done: int, failed: int) -> None:
        """So many texts there are; of these, so many were done before, and so many failed."""

    def moved(self, texts: int, words: int, failed: int) -> None:
        """So many more are done; fewer, if a process has died and they are done again."""

    def died(self, reason: str) -> None:
        """A process has died, and another takes its place."""


class Silent:
    """A watcher that tells nobody."""

    def planned(self, texts: int, done: int, failed: int) -> None: ...

    def moved(self, texts: int, words: int, failed: int) -> None: ...

    def died(self, reason: str) -> None: ...


class Team:
    """Processes, one for each device.

    settings (AnnotationSettings): How texts are annotated.
    out (Path): The folder of the result.
    devices (Sequence[int]): For each process a GPU, or -1 for the CPU.
    watcher (Watcher): Is told what happens.
    """

    def __init__(
        self, settings: AnnotationSettings, out: Path, devices: Sequence[int], watcher: Watcher
    ) -> None:
        self.settings = settings
        self.out = out
        self.devices = devices
        self.watcher = watcher
        # Of processes that had not even loaded the pipeline, one after the other.
        self._deaths = 0

    def annotate(self, shards: Sequence[Shard]) -> None:
        """Annotate shards, those first that take longest: so no process works on alone in the end.

        shards (Sequence[Shard]): The shards.
        RAISES (ValueError, OSError, ImportError): A process cannot go on, for a reason that another
            process would have too.
        """
        order = sorted(shards, key=lambda shard: (-shard.piece.weight, shard.name))
        waiting = deque(Attempts(shard) for shard in order)
        members = [_Member(self, device) for device in self.devices[: len(order)]]
        try:
            while waiting or any(member.attempts for member in members):
                for member in members:
                    if member.is_ready and member.attempts is None and waiting:
                        member.give(waiting.popleft())
                connection.wait([member.connection for member in members])
                for member in members:
                    left = self._listen(member)
                    if left is not None:
                        waiting.appendleft(left)
                dead = [member for member in members if member.is_dead]
                members = [member for member in members if not member.is_dead]
                members += [_Member(self, member.device) for member in dead[: len(waiting)]]
        finally:
            _stop(members)

    def _listen(self, member: _Member) -> Attempts | None:
        """RETURNS (Optional[Attempts]): A shard that has to be tried again."""
        try:
            while member.connection.poll():
                word, *rest = member.connection.recv()
                if word == PROBLEM:
                    kind, message = rest
                    raise kind(f"{message} {_KEPT}" if kind is OSError else message)
                if word == READY:
                    self._deaths, member.is_ready = 0, True
                    continue
                assert member.attempts is not None
                if word == ROW:
                    member.attempts.row = rest[0]
                elif word == TEXTS:
                    member.attempts.row = None
                    member.tell(*rest)
                elif word == DONE:
                    return member.take(is_done=member.attempts.ended())
        except (EOFError, ConnectionError):
            return self._bury(member)
        return None

    def _bury(self, member: _Member) -> Attempts | None:
        reason = member.end()
        self.watcher.died(reason)
        if member.attempts is None:
            self._deaths += not member.is_ready
            if self._deaths == DEATHS:
                raise OSError(
                    f"{self.settings.model}: the process that loads it {reason}, {DEATHS} times. "
                    "Fix: if memory is short, fewer --workers."
                )
            return None
        # It may have died between its last act and telling of it.
        is_done = read_record(self.out, member.attempts.shard) is not None
        if not is_done:
            member.attempts.died(reason)
        return member.take(is_done=is_done)


class _Member:
    """One process, and the shard that it has."""

    def __init__(self, team: Team, device: int) -> None:
        self.device = device
        self.watcher = team.watcher
        self.is_ready = self.is_dead = False
        self.attempts: Attempts | None = None
        self._told = (0, 0, 0)
        context: Any = multiprocessing.get_context(_START)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=work, args=(theirs, team.settings, str(team.out), device), daemon=True
        )
        with environment():
            self.process.start()
        # With no copy here, the end of the process is the end of what it says.
        theirs.close()

    def give(self, attempts: Attempts) -> None:
        self.attempts = attempts
        self._told = (0, 0, 0)
        try:
            self.connection.send(attempts.task())
        except ConnectionError:
            # It has died, which is heard where it is listened to.
            pass

    def tell(self, *counts: int) -> None:
        self._told = tuple(a + b for a, b in zip(self._told, counts, strict=True))  # type: ignore[assignment]
        self.watcher.moved(*counts)

    def take(self, *, is_done: bool) -> Attempts | None:
        attempts, self.attempts = self.attempts, None
        if is_done:
            return None
        # It is all done again.
        self.watcher.moved(*(-count for count in self._told))
        return attempts

    def end(self) -> str:
        self.is_dead = True
        self.connection.close()
        self.process.join()
        code = self.process.exitcode or 0
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"


def _stop(members: list[_Member]) -> None:
    """End all processes. One that is writing removes its temporary file first."""
    for member in members:
        if not member.is_dead:
            member.process.terminate()
    for member in members:
        member.process.join(_SECONDS_TO_STOP)
        if member.process.is_alive():
            member.process.kill()
            member.process.join()
