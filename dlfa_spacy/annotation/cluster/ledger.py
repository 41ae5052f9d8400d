"""What has been tried with each shard, kept where all actors can ask."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..attempts import DEATHS, Attempts
from ..folder import read_record
from ..shards import Shard
from ..worker import DONE, PROBLEM, ROW, TEXTS, Task

# How a process ended is known to its own machine alone.
_REASON = "died"


class Ledger:
    """Hands out tasks, and counts deaths. Ray starts an actor again that died, and gives it the
    same input again: so one that starts twice, or asks twice for the same shard, has died.

    It is an actor itself, which one at a time talks to; without Ray it is an object like others.

    model (str): The pipeline, for errors.
    out (Path): The folder of the result.
    shards (Sequence[Shard]): What is to be annotated.
    """

    def __init__(self, model: str, out: Path, shards: Sequence[Shard]) -> None:
        self.model = model
        self.out = out
        self.shards = shards
        self._open: dict[int, _Open] = {}
        # What the watcher has not been told yet: a word, and what belongs to it.
        self._news: list[tuple[Any, ...]] = []
        self._started: set[str] = set()
        self._loading: set[str] = set()
        # Of actors that had not even loaded the pipeline, one after the other.
        self._deaths = 0

    def start(self, actor: str) -> None:
        """An actor begins to load the pipeline.

        actor (str): Its id, which it keeps when it is started again.
        RAISES (OSError): Those that load it die again and again.
        """
        if actor in self._started:
            self._news.append(("died", _REASON))
            self._deaths += actor in self._loading
        self._started.add(actor)
        self._loading.add(actor)
        if self._deaths == DEATHS:
            raise OSError(
                f"{self.model}: the process that loads it {_REASON}, {DEATHS} times. Fix: if "
                "memory is short, fewer --workers."
            )

    def ready(self, actor: str) -> None:
        """An actor has loaded the pipeline.

        actor (str): Its id.
        """
        self._loading.discard(actor)
        self._deaths = 0

    def task(self, place: int) -> Task | None:
        """Say what to do next with a shard.

        place (int): Which one.
        RETURNS (Optional[Task]): It; None if the shard is done.
        RAISES (ValueError): Nothing is left to try.
        """
        if read_record(self.out, self.shards[place]) is not None:
            self._open.pop(place, None)
            return None
        state = self._open.setdefault(place, _Open(self.shards[place]))
        if state.is_tried:
            state.attempts.died(_REASON)
        if any(state.told):
            # It is all done again.
            self._news.append(("moved", *(-count for count in state.told)))
        state.told, state.is_tried = [0, 0, 0], True
        return state.attempts.task()

    def say(self, place: int, word: str, *rest: int) -> None:
        """Take what a worker says of a shard.

        place (int): Which one.
        word (str): ROW, TEXTS or DONE.
        rest (int): What belongs to it.
        """
        state = self._open[place]
        state.attempts.row = rest[0] if word == ROW else None
        if word == TEXTS:
            state.told = [a + b for a, b in zip(state.told, rest, strict=True)]
            self._news.append(("moved", *rest))
        elif word == DONE:
            state.is_tried = False
            state.attempts.ended()

    def problem(self, kind: type[Exception], message: str) -> None:
        """An actor cannot go on, for a reason that another one would have too.

        kind (Type[Exception]): Class of the error.
        message (str): What it says.
        """
        self._news.append((PROBLEM, kind, message))

    def news(self) -> list[tuple[Any, ...]]:
        """RETURNS (List[Tuple[Any, ...]]): What has happened since it was asked last."""
        news, self._news = self._news, []
        return news


class _Open:
    """A shard that was begun. `told`: texts, words and failures of this attempt."""

    def __init__(self, shard: Shard) -> None:
        self.attempts = Attempts(shard)
        self.is_tried = False
        self.told = [0, 0, 0]
