"""Zero-shot scores of an encoder before and after alignment: a sweep over the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...metrics.names import MAIN
from ...runs.plan import Plan, make_plan, read_plan
from ...runs.prepare import base_of
from ...runs.sweep import run_sweep
from ...runs.table import COLUMNS, SQLITE, ResultsTable

BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class ZeroShot:
    """What to fine-tune both encoders on.

    plan (Optional[Path]): A plan of `dlfa sweep`; the following take the place of its settings, and
        its encoders are not used.
    corpus (str): Holds `<task>/<lang>/<split>.spacy`.
    tasks (Sequence[str]): Folders of it.
    """

    plan: Path | None = None
    corpus: str = ""
    tasks: Sequence[str] = ()


def make_zero_shot_plan(wanted: ZeroShot, before: str, after: str) -> Plan:
    """
    wanted (ZeroShot): What to fine-tune on.
    before, after (str): Folder or Hub name of the two encoders.
    RETURNS (Plan): Both encoders, everything else alike. Without a plan: the last layer, one seed,
        XTREME's recipe.
    RAISES (ValueError): A setting is missing or wrong.
    """
    changes: dict[str, Any] = {"encoders": {BEFORE: before, AFTER: after}}
    if wanted.corpus:
        changes["corpus"] = wanted.corpus
    if wanted.tasks:
        changes["tasks"] = list(wanted.tasks)
    if wanted.plan is not None:
        return read_plan(wanted.plan, changes)
    return make_plan({"methods": ["last"], **changes}, where="--corpus and --tasks")


def zero_shot_rows(
    plan: Plan, folder: Path, *, devices: Sequence[int] = (-1,), threads: int = 1, quiet: bool
) -> list[dict[str, Any]]:
    """Run the sweep and read the main metric of each task.

    plan (Plan): See `make_zero_shot_plan`.
    folder (Path): The sweep's. What is there already is not run again.
    devices (Sequence[int]): See `run_sweep`.
    threads (int): Threads of each run.
    quiet (bool): Show failures only.
    RETURNS (List[Dict[str, Any]]): Rows of the sweep's table.
    RAISES (ValueError): A run failed.
    """
    result = run_sweep(plan, folder, devices=devices, threads=threads, quiet=quiet)
    if result.failures:
        name, reason = next(iter(result.failures.values()))
        raise ValueError(
            f"{folder}: {len(result.failures)} of {len(result.runs)} runs failed, {name} first: "
            f"{reason.splitlines()[-1]} Expected all to finish. Fix: run the same command again."
        )
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ResultsTable(folder / SQLITE).rows()]
    return [row for row in rows if row["metric"] == MAIN[base_of(row["task"])]]


def gains(
    rows: Sequence[Mapping[str, Any]], source: str = "en"
) -> dict[tuple[str, str, str], dict[str, float]]:
    """Means over seeds, before and after.

    rows (Sequence[Mapping[str, Any]]): Of `zero_shot_rows`.
    source (str): The language trained on, of which dev chose the checkpoint: that is left out.
    RETURNS (Dict[Tuple[str, str, str], Dict[str, float]]): Task, method, language (and "targets",
        the mean over all but the source) -> "before" and "after".
    """
    values: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for row in rows:
        if row["language"] == source and row["split"] == "dev":
            continue
        method = row["aggregator"] + (f":{row['layer']}" if row["layer"] is not None else "")
        key = (row["task"], method, row["language"])
        values.setdefault(key, {}).setdefault(row["encoder"], []).append(row["value"])
    found = {
        key: {name: sum(v) / len(v) for name, v in sides.items()} for key, sides in values.items()
    }
    for task, method in dict.fromkeys((task, method) for task, method, _ in found):
        targets = [
            sides
            for (t, m, language), sides in found.items()
            if (t, m) == (task, method) and language != source
        ]
        if targets:
            found[task, method, "targets"] = {
                name: sum(sides[name] for sides in targets) / len(targets)
                for name in (BEFORE, AFTER)
            }
    return found
