"""The table of a sweep as runs, so that one report shows sweeps and single evaluations alike."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runs.table import CSV, RUN_COLUMNS, SQLITE, ResultsTable, read_table
from .scored_runs import Run, Setting
from .variant import variant_name

if TYPE_CHECKING:
    import pandas


def is_sweep(source: Path) -> bool:
    """Tell a sweep from a folder of evaluations.

    source (Path): A file or a folder.
    RETURNS (bool): Whether it is the table of a sweep, or a folder that has one.
    """
    return source.suffix in (".sqlite", ".csv") or any(
        (source / name).is_file() for name in (SQLITE, CSV)
    )


def read_sweeps(source: Path, language: str = "en") -> list[Run]:
    """Read one sweep, or all below a folder.

    source (Path): As `read_sweep`, or a folder that has sweeps in it.
    language (str): The language trained on, where a file does not say.
    RETURNS (List[Run]): The runs; none if there is no sweep.
    RAISES (ValueError): A file is no table of a sweep or has no scores, or two sweeps have the same
        run.
    """
    if is_sweep(source):
        return read_sweep(source, language)
    found: dict[tuple[Any, ...], Run] = {}
    for path in sorted(source.rglob(SQLITE)):
        for run in read_sweep(path.parent, language):
            key = run.setting, run.variant, run.seed
            if key in found:
                raise ValueError(
                    f"{path}: found {run.name} trained on {run.setting.train_data}, which "
                    f"{found[key].path} has, too; expected each run once. Fix: name one of the two "
                    "sweeps alone, or move one away."
                )
            found[key] = run
    return list(found.values())


def read_sweep(source: Path, language: str = "en") -> list[Run]:
    """Read the table of a sweep, and what its SQLite file knows about the runs beside the scores.

    source (Path): The sweep's folder, its `results.sqlite`, or a CSV file made from it.
    language (str): The language trained on, where the file does not say.
    RETURNS (List[Run]): The runs.
    RAISES (ValueError): If it is no such file, or has no scores.
    """
    table = read_table(source)
    if table.empty:
        raise ValueError(
            f"{source}: found a table without scores, expected at least one run. Fix: let "
            "`dlfa sweep` finish some runs first."
        )
    return runs_of_table(table, _records(source), source, language)


def runs_of_table(
    table: pandas.DataFrame,
    records: dict[tuple[Any, ...], dict[str, Any]] | None = None,
    path: Path = Path(SQLITE),
    language: str = "en",
) -> list[Run]:
    """Group the rows of a table by run.

    table (pandas.DataFrame): In the columns of `sweep.table.COLUMNS`.
    records (Optional[Dict[Tuple, Dict[str, Any]]]): What else is known of a run, by the values of
        `RUN_COLUMNS`.
    path (Path): Where the table is from.
    language (str): The language trained on, where the records do not say.
    RETURNS (List[Run]): The runs. Scores on dev of the source language are not among the scores:
        they chose the checkpoint.
    """
    import pandas

    runs = []
    for key, rows in table.groupby(list(RUN_COLUMNS), dropna=False, sort=True):
        values = dict(zip(RUN_COLUMNS, key, strict=True))
        layer = None if pandas.isna(values["layer"]) else int(values["layer"])
        record = (records or {}).get(_record_key({**values, "layer": layer}), {})
        settings = record.get("settings", {})
        source = settings.get("train", {}).get("language", language)
        scores: dict[str, dict[str, float]] = {}
        splits: dict[str, str] = {}
        dev: dict[str, float] = {}
        # "test" comes last and takes the place of "dev" where a language has both.
        for row in rows.sort_values("split").itertuples():
            code, split, metric = str(row.language), str(row.split), str(row.metric)
            if code == source and split == "dev":
                dev[metric] = float(row.value)
                continue
            scores.setdefault(metric, {})[code] = float(row.value)
            splits[code] = split
        counts = {
            code: record.get("counts", {}).get(f"{code}/{split}", {})
            for code, split in splits.items()
        }
        variant = variant_name(
            str(values["aggregator"]), layer, str(values["gate"]), str(values["norm"])
        )
        seed = int(values["seed"])
        runs.append(
            Run(
                path=path,
                name=f"{values['task']}/{variant}/seed-{seed}",
                variant=variant,
                seed=seed,
                setting=Setting(
                    eval_data=str(values["task"]),
                    tokens="gold",
                    source=source,
                    limit=0,
                    encoder=str(values["encoder"]),
                    train_data=_train_data(settings, source, int(values["texts"])),
                    regime=str(values["regime"]),
                    texts=int(values["texts"]),
                ),
                scores=scores,
                splits=splits,
                dev=dev,
                n_docs={code: count["docs"] for code, count in counts.items() if "docs" in count},
                counts={
                    code: {name: n for name, n in count.items() if name != "docs"}
                    for code, count in counts.items()
                },
                confusions={
                    code: record.get("confusions", {}).get(f"{code}/{split}", {})
                    for code, split in splits.items()
                },
                layer_weights=record.get("layer_weights", {}).get("without_text", {}),
            )
        )
    return runs


def _train_data(settings: dict[str, Any], source: str, texts: int) -> str | None:
    """RETURNS (Optional[str]): "en/train, 2,000 texts"."""
    train = settings.get("train")
    if not train and not texts:
        return None
    name = f"{train['language']}/{train['split']}" if train else f"{source}/train"
    return f"{name}, {texts:,} texts" if texts else name


def _record_key(values: dict[str, Any]) -> tuple[Any, ...]:
    numbers = ("texts", "seed")
    return tuple(int(values[name]) if name in numbers else values[name] for name in RUN_COLUMNS)


def _records(source: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    path = source / SQLITE if source.is_dir() else source
    if path.suffix != ".sqlite" or not path.is_file():
        return {}
    try:
        table = ResultsTable(path)
        keys, records = table.runs(), table.records()
    except sqlite3.DatabaseError as error:
        raise ValueError(
            f"{path}: found {error}, expected the table of a sweep. Fix: run `dlfa sweep` again."
        ) from error
    return {_record_key(keys[run]): record for run, record in records.items()}
