"""Several runs at once, each in its own process, so that one cannot take down another."""

from __future__ import annotations

import json
import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from .children import environment
from .settings import LOG, METRICS, PROGRESS, RunSettings

RUNS = "runs"
_N_LOG_LINES = 12


class Watcher(Protocol):
    """Is told what happens. `progress.py` has those that show it."""

    def started(self, run: RunSettings) -> None: ...

    def finished(self, run: RunSettings, record: dict[str, Any] | None, reason: str) -> None: ...

    def tick(self, running: Sequence[tuple[RunSettings, Path, float]], n_waiting: int) -> None: ...


@dataclass
class _Job:
    run: RunSettings
    process: BaseProcess
    device: int
    started: float


class Scheduler:
    """Keeps every device busy until all runs are done or have failed.

    out (Path): The sweep's folder.
    devices (Sequence[int]): One item for each run at a time: a GPU, or -1 for the CPU.
    threads (int): Threads of each run.
    keep_models (bool): Keep the weights of each run.
    """

    def __init__(
        self, out: Path, devices: Sequence[int], *, threads: int = 1, keep_models: bool = False
    ) -> None:
        self.out = out
        self.devices = list(devices)
        self.threads = threads
        self.keep_models = keep_models
        self._context = _context(forks=all(device < 0 for device in devices))

    def run(
        self, runs: Sequence[RunSettings], watcher: Watcher
    ) -> Iterator[tuple[RunSettings, dict[str, Any] | None, str]]:
        """Do the runs.

        runs (Sequence[RunSettings]): The runs.
        watcher (Watcher): Is told what happens.
        YIELDS (Tuple[RunSettings, Optional[Dict], str]): Of each run that ended, its record; or
            None and why it failed.
        """
        waiting, free = deque(runs), deque(self.devices)
        jobs: list[_Job] = []
        try:
            while waiting or jobs:
                while waiting and free:
                    jobs.append(self._start(waiting.popleft(), free.popleft()))
                    watcher.started(jobs[-1].run)
                connection.wait([job.process.sentinel for job in jobs], timeout=0.5)
                for job in [job for job in jobs if not job.process.is_alive()]:
                    jobs.remove(job)
                    free.append(job.device)
                    job.process.join()
                    record = read_record(self.folder(job.run), job.run)
                    reason = "" if record else _reason(self.folder(job.run), job.process.exitcode)
                    watcher.finished(job.run, record, reason)
                    yield job.run, record, reason
                watcher.tick(
                    [(job.run, self.folder(job.run), job.started) for job in jobs], len(waiting)
                )
        finally:
            for job in jobs:
                job.process.kill()
            for job in jobs:
                job.process.join()

    def folder(self, run: RunSettings) -> Path:
        """RETURNS (Path): The folder of a run."""
        return self.out / RUNS / run.name

    def _start(self, run: RunSettings, device: int) -> _Job:
        from . import target

        folder = self.folder(run)
        folder.mkdir(parents=True, exist_ok=True)
        # The log of an earlier attempt would explain a failure that is not its own.
        for name in (LOG, PROGRESS):
            (folder / name).unlink(missing_ok=True)
        process = self._context.Process(
            target=target.run_process,
            args=(str(folder), run, device, self.threads, self.keep_models),
            name=run.name,
        )
        with environment(device):
            process.start()
        return _Job(run, process, device, time.monotonic())


def read_record(folder: Path, run: RunSettings) -> dict[str, Any] | None:
    """Read what a finished run left.

    folder (Path): The run's folder.
    run (RunSettings): The run.
    RETURNS (Optional[Dict[str, Any]]): Its `metrics.json`; None without one of these settings.
    """
    path = folder / METRICS
    if not path.is_file():
        return None
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return record if record.get("hash") == run.hash else None


def _context(forks: bool) -> Any:
    """A process that has loaded all libraries is forked for each run: it starts in no time. CUDA
    does not survive a fork, and neither do some libraries of macOS."""
    if not forks or not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([f"{__package__}.preload"])
    return context


def _reason(folder: Path, exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        ended = f"killed by {signal.Signals(-exitcode).name}"
    else:
        ended = f"ended with exit code {exitcode}"
    log = folder / LOG
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return "\n".join([f"{ended}; the end of {log}:", *lines[-_N_LOG_LINES:]])
