"""A sweep: one folder, one plan, one table; whatever is missing in the table is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from rich.console import Console

from ..files.writing import write_text
from .encode import encode_all
from .plan import PLAN, Plan, plan_text
from .prepare import make_runs
from .progress import SweepProgress
from .schedule import Scheduler, read_record
from .settings import RunSettings
from .table import CSV, RUN_COLUMNS, SQLITE, ResultsTable

LOCK = ".sweep.lock"


@dataclass
class SweepResult:
    """How a sweep ended.

    runs (List[RunSettings]): All runs of the plan.
    n_before (int): Those that were done before.
    failures (Dict[str, Tuple[str, str]]): Name and reason of each failed run by hash.
    table (Path): The CSV file.
    """

    runs: list[RunSettings]
    n_before: int = 0
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)
    table: Path = Path(CSV)


def run_sweep(
    plan: Plan,
    out: Path,
    *,
    devices: Sequence[int] = (-1,),
    threads: int = 1,
    keep_models: bool = False,
    store: Path | None = None,
    console: Console | None = None,
    quiet: bool = False,
) -> SweepResult:
    """Do all runs of a plan that the table in a folder does not have yet.

    plan (Plan): The plan.
    out (Path): The sweep's folder. A sweep that was killed resumes where it stopped.
    devices (Sequence[int]): One item for each run at a time: a GPU, or -1 for the CPU.
    threads (int): Threads of each run.
    keep_models (bool): Keep the weights of each run.
    store (Optional[Path]): Where the layers of frozen encoders are kept, by default in a folder of
        the sweep. Several sweeps may use one.
    console (Optional[Console]): Where progress is shown.
    quiet (bool): Show failures only.
    RETURNS (SweepResult): How it ended. The table is complete except for the failures.
    RAISES (ValueError): If another sweep uses the folder, it holds other runs, or the plan names
        something that does not exist.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(out / LOCK).acquire(timeout=0)
    except Timeout as error:
        raise ValueError(
            f"{out}: another sweep is using this folder ({LOCK} is locked). Expected none. "
            "Fix: wait for it, or choose another folder."
        ) from error
    with lock:
        table = ResultsTable(out / SQLITE)
        runs = list({run.hash: run for run in make_runs(plan, out, store)}.values())
        _check_same(runs, table, out)
        write_text(out / PLAN, plan_text(plan))
        scheduler = Scheduler(out, devices, threads=threads, keep_models=keep_models)
        seconds = _take_over(runs, table, scheduler)
        result = SweepResult(runs, len(seconds), table=out / CSV)
        progress = SweepProgress(
            console or Console(stderr=True), runs, len(seconds), len(devices), quiet=quiet
        )
        for run in runs:
            if run.hash in seconds:
                progress.skip(run, seconds[run.hash])
        todo = [run for run in runs if run.hash not in seconds]
        if plan.frozen and todo:
            torch.set_num_threads(threads * len(devices))
            encode_all(todo, progress.console, quiet, gpu_id=devices[0])
        with progress:
            for run, record, reason in scheduler.run(todo, progress):
                if record is None:
                    result.failures[run.hash] = (run.name, reason)
                    table.set_failures(result.failures)
                else:
                    table.add(run.hash, run.key, record["scores"], record)
        table.set_failures(result.failures)
        table.export(result.table)
    return result


def _take_over(
    runs: Sequence[RunSettings], table: ResultsTable, scheduler: Scheduler
) -> dict[str, float]:
    """Find what is done; a run may have ended just before its sweep was killed.

    RETURNS (Dict[str, float]): Seconds of each run that is done by hash.
    """
    known = table.runs()
    for run in runs:
        if run.hash not in known:
            record = read_record(scheduler.folder(run), run)
            if record is not None:
                table.add(run.hash, run.key, record["scores"], record)
    records = table.records()
    return {run.hash: records[run.hash]["seconds"]["all"] for run in runs if run.hash in records}


def _check_same(runs: Sequence[RunSettings], table: ResultsTable, out: Path) -> None:
    """One row of the table must mean one thing: same method and seed, same everything else."""
    ours = {tuple(run.key[name] for name in RUN_COLUMNS): run for run in runs}
    theirs = table.records()
    for hash_, record in theirs.items():
        if not {*RUN_COLUMNS} <= {*record["key"]}:
            raise ValueError(
                f"{out}: found a sweep of an earlier version, expected one of this version, which "
                "draws other texts. Fix: choose another folder."
            )
        run = ours.get(tuple(record["key"][name] for name in RUN_COLUMNS))
        if run is None or run.hash == hash_:
            continue
        new, old = run.content(), record["settings"]
        names = [name for name in new if new[name] != old.get(name)]
        raise ValueError(
            f"{out}: holds the run {run.name} with other settings: {names[0]} = "
            f"{old.get(names[0])!r}, the plan says {new[names[0]]!r}. Expected one setting in one "
            "table. Fix: choose another folder, or take the plan that it was started with."
        )
