"""How far a job is: what those are told who want to know."""

from __future__ import annotations

from typing import Protocol


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
