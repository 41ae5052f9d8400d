"""The processes that annotate: each has one shard at a time, and is replaced when it dies."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path

from .attempts import DEATHS, Attempts
from .folder import read_record
from .member import Member
from .settings import AnnotationSettings
from .shards import Shard, longest_first
from .watcher import Watcher
from .worker import DONE, PROBLEM, READY, ROW, TEXTS

_SECONDS_TO_STOP = 5.0
_KEPT = "What is done is kept. Fix: make it possible, and give the same command again: it goes on."


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
        """Annotate shards.

        shards (Sequence[Shard]): The shards.
        RAISES (ValueError, OSError, ImportError): A process cannot go on, for a reason that another
            process would have too.
        """
        order = longest_first(shards)
        waiting = deque(Attempts(shard) for shard in order)
        members = [
            Member(self.settings, self.out, device, self.watcher)
            for device in self.devices[: len(order)]
        ]
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
                members += [
                    Member(self.settings, self.out, member.device, self.watcher)
                    for member in dead[: len(waiting)]
                ]
        finally:
            _stop(members)

    def _listen(self, member: Member) -> Attempts | None:
        """RETURNS (Optional[Attempts]): A shard that has to be tried again."""
        try:
            while member.connection.poll():
                word, *rest = member.connection.recv()
                if word == PROBLEM:
                    raise stopped_by(*rest)
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

    def _bury(self, member: Member) -> Attempts | None:
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


def stopped_by(kind: type[Exception], message: str) -> Exception:
    """
    kind (Type[Exception]): Class of the error of a worker.
    message (str): What it says.
    RETURNS (Exception): The error of the command.
    """
    return kind(f"{message} {_KEPT}" if kind is OSError else message)


def _stop(members: list[Member]) -> None:
    """End all processes. One that is writing removes its temporary file first."""
    for member in members:
        if not member.is_dead:
            member.process.terminate()
    for member in members:
        member.process.join(_SECONDS_TO_STOP)
        if member.process.is_alive():
            member.process.kill()
            member.process.join()
