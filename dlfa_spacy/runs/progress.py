"""What runs, what is done and how long the rest will take, for a terminal or for a log."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..metrics.names import MAIN, SHORT
from .settings import PROGRESS, RunSettings


class Estimate:
    """How long runs take, by task, from those that are done.

    n_slots (int): Runs at a time.
    """

    def __init__(self, n_slots: int) -> None:
        self.n_slots = n_slots
        self._seconds: dict[str, list[float]] = {}

    def add(self, task: str, seconds: float) -> None:
        """Learn from a run that is done."""
        self._seconds.setdefault(task, []).append(seconds)

    def of(self, task: str) -> float | None:
        """RETURNS (Optional[float]): Seconds of a run of a task; None before any is done."""
        known = self._seconds.get(task) or [x for values in self._seconds.values() for x in values]
        return fmean(known) if known else None

    def left(self, waiting: Sequence[str], running: Sequence[tuple[str, float]]) -> float | None:
        """Estimate the seconds until all is done.

        waiting (Sequence[str]): Tasks of the runs that wait.
        running (Sequence[Tuple[str, float]]): Task and age of those that run.
        RETURNS (Optional[float]): The seconds; None before any run is done.
        """
        pairs = [(task, 0.0) for task in waiting] + list(running)
        lefts = []
        for task, age in pairs:
            whole = self.of(task)
            if whole is None:
                return None
            lefts.append(max(whole - age, 0.0))
        return max([sum(lefts) / self.n_slots, *lefts], default=0.0)


class SweepProgress:
    """Shows a sweep: live on a terminal, else a line for each run that ends.

    console (Console): Where.
    runs (Sequence[RunSettings]): All runs.
    n_done (int): How many were done before.
    n_slots (int): Runs at a time.
    quiet (bool): Show failures only.
    """

    def __init__(
        self,
        console: Console,
        runs: Sequence[RunSettings],
        n_done: int,
        n_slots: int,
        *,
        quiet: bool = False,
    ) -> None:
        self.console = console
        self.n_all = len(runs)
        self.n_done = n_done
        self.n_failed = 0
        self.quiet = quiet
        self.estimate = Estimate(n_slots)
        self._waiting = [run for run in runs]
        self._begin: dict[str, float] = {}
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> SweepProgress:
        if self.console.is_terminal and not self.quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def skip(self, run: RunSettings, seconds: float | None = None) -> None:
        """Note a run that was done before, and how long it took."""
        self._waiting.remove(run)
        if seconds is not None:
            self.estimate.add(run.task, seconds)

    def started(self, run: RunSettings) -> None:
        """Note a run that begins."""
        self._waiting.remove(run)
        self._begin[run.hash] = time.monotonic()

    def finished(self, run: RunSettings, record: dict[str, Any] | None, reason: str) -> None:
        """Say how a run ended: its score on dev, or the last lines of its log."""
        seconds = time.monotonic() - self._begin.pop(run.hash)
        if record is None:
            self.n_failed += 1
            self.console.print(f"[bold red]failed[/] {run.name}: {escape(reason)}", soft_wrap=True)
            return
        self.n_done += 1
        self.estimate.add(run.task, seconds)
        if not self.quiet:
            self.console.print(
                f"{self.n_done + self.n_failed}/{self.n_all} {run.name}  {dev_score(run, record)}"
                f"  {_clock(seconds)}{self._left([])}",
                highlight=False,
                soft_wrap=True,
            )

    def tick(self, running: Sequence[tuple[RunSettings, Path, float]], n_waiting: int) -> None:
        """Draw what runs now."""
        if not self._live.is_started:
            return
        table = Table.grid(padding=(0, 2))
        for run, folder, begin in running:
            state = _state(folder)
            total = state.get("total") or 0
            bar = ProgressBar(total=total, completed=state.get("done", 0), width=20)
            table.add_row(
                Text(run.name),
                state["phase"],
                bar if total else "",
                _clock(time.monotonic() - begin),
            )
        ages = [(run.task, time.monotonic() - begin) for run, _, begin in running]
        failed = f", [red]{self.n_failed} failed[/]" if self.n_failed else ""
        head = f"[bold]{self.n_done}/{self.n_all} done[/]{failed}, {n_waiting} waiting"
        self._live.update(Group(Text.from_markup(head + self._left(ages)), table), refresh=True)

    def _left(self, running: Sequence[tuple[str, float]]) -> str:
        left = self.estimate.left([run.task for run in self._waiting], running)
        return "" if left is None else f", about {_clock(left)} left"


def dev_score(run: RunSettings, record: dict[str, Any]) -> str:
    """RETURNS (str): The metric of a run's task on the dev set that chose its checkpoint."""
    metric = MAIN[run.base]
    for row in record["scores"]:
        where = (row["language"], row["split"])
        if row["metric"] == metric and where == (run.dev.language, run.dev.split):
            return f"{run.dev.language} dev {SHORT[metric]} {100 * row['value']:.1f}"
    return ""


def _state(folder: Path) -> dict[str, Any]:
    path = folder / PROGRESS
    if not path.is_file():
        return {"phase": "starting"}
    state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return state


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
