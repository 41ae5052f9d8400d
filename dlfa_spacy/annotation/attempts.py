"""A shard whose processes die: how it is tried next, until the texts at fault are known."""

from __future__ import annotations

from collections import Counter

from .shards import Shard
from .worker import Task

# A machine that is short of memory kills once or twice; a text kills each time.
DEATHS = 3
# As all shards; then each text alone, to see which ones kill; then as all shards, without those;
# and if it is the batches that kill (they take more memory than one text), each text alone again.
_PHASES = (
    {"alone": False, "write": True},
    {"alone": True, "write": False},
    {"alone": False, "write": True},
    {"alone": True, "write": True},
)


class Attempts:
    """What has been tried with a shard.

    shard (Shard): The shard.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        # The row that is annotated just now, if that is known.
        self.row: int | None = None
        self._phase = 0
        self._deaths = 0
        self._deaths_by_row: Counter[int] = Counter()
        self._skip: dict[int, str] = {}

    def task(self) -> Task:
        """RETURNS (Task): What to try next."""
        self.row = None
        return Task(self.shard, skip=dict(self._skip), **_PHASES[self._phase])

    def ended(self) -> bool:
        """The process has done its task.

        RETURNS (bool): The shard is done.
        """
        if _PHASES[self._phase]["write"]:
            return True
        self._next_phase()
        return False

    def died(self, reason: str) -> None:
        """The process has died.

        reason (str): How.
        RAISES (ValueError): Nothing is left to try.
        """
        if self.row is not None:
            self._deaths_by_row[self.row] += 1
            if self._deaths_by_row[self.row] == DEATHS:
                self._skip[self.row] = f"The process that annotates it {reason}, {DEATHS} times."
            return
        self._deaths += 1
        if self._deaths == DEATHS:
            if self._phase + 1 == len(_PHASES):
                raise ValueError(
                    f"IN {self.shard.source.path}: the process that reads the rows from "
                    f"{self.shard.piece.first} on, or writes them, {reason} again and again, and "
                    "no text is at fault. Fix: a smaller --shard-size, or more memory."
                )
            self._next_phase()

    def _next_phase(self) -> None:
        self._phase += 1
        self._deaths = 0
