"""The one table of a sweep: `results.sqlite`, and the CSV file made from it.

`read_table(path) -> pandas.DataFrame` is what reports start from. One row per score, columns:

| column | type | what it is |
|---|---|---|
| `task` | str | name of the corpus folder: `pos`, `ner`, `xnli`, ... |
| `aggregator` | str | `last`, `mean_upper`, `scalar`, `dlfa`, `control`, `reinit:1-2`, ... |
| `layer` | Int64, may be `<NA>` | `dlfa`: lower layer, `H^layer`; `reinit_top`: the lowest drawn |
| `gate` | str, may be `""` | of `dlfa` and `control`: `product`, `sigmoid` |
| `norm` | str, may be `""` | of `dlfa` and `control`: `batch`, `layer`, `none` |
| `encoder` | str | its name in the sweep's plan |
| `regime` | str | what of the encoder trains, as the plan calls it: `frozen`, `fine-tuned`, ... |
| `texts` | int | texts trained on |
| `seed` | int | seed of training |
| `language` | str | language code |
| `split` | str | the split scored: `test`, or `dev` where a language has no test |
| `metric` | str | a name of `metrics.names.METRICS` |
| `value` | float | from 0 to 1 |
| `count` | int | what `value` is a share of: gold tokens, gold entities or texts |

The source language has two splits, `test` and `dev`. `dev` chose the checkpoint: it is not a
result. A row with `<NA>` is dropped by `groupby` unless it says `dropna=False`. In a file that was
written before there were `regime` and `texts`, they are `""` and 0.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.writing import replacing

if TYPE_CHECKING:
    import pandas

_METHOD = ("task", "aggregator", "layer", "gate", "norm")
RUN_COLUMNS = (*_METHOD, "encoder", "regime", "texts", "seed")
# Columns that older files lack, and what they are then.
_ADDED: dict[str, str | int] = {"regime": "", "texts": 0}
SCORE_COLUMNS = ("language", "split", "metric", "value", "count")
COLUMNS = (*RUN_COLUMNS, *SCORE_COLUMNS)
SQLITE = "results.sqlite"
CSV = "results.csv"
# Regimes, where a plan has no name of its own for what it trains.
FROZEN, FINE_TUNED = "frozen", "fine-tuned"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run TEXT PRIMARY KEY,
    task TEXT NOT NULL, aggregator TEXT NOT NULL, layer INTEGER, gate TEXT NOT NULL,
    norm TEXT NOT NULL, encoder TEXT NOT NULL, regime TEXT NOT NULL DEFAULT '',
    texts INTEGER NOT NULL DEFAULT 0, seed INTEGER NOT NULL,
    record TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS scores (
    run TEXT NOT NULL REFERENCES runs (run),
    language TEXT NOT NULL, split TEXT NOT NULL, metric TEXT NOT NULL,
    value REAL NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (run, language, split, metric)
);
CREATE TABLE IF NOT EXISTS failures (
    run TEXT PRIMARY KEY, name TEXT NOT NULL, reason TEXT NOT NULL
);
"""
_SORTED = ", ".join(COLUMNS[:-2])


class ResultsTable:
    """The results of a sweep, in SQLite. The sweep writes; anyone may read.

    path (Path): The file. It is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._connection() as connection:
            connection.executescript(_SCHEMA)
            known = {row[1] for row in connection.execute("PRAGMA table_info(runs)")}
            for name, default in _ADDED.items():
                if name not in known:
                    kind = "TEXT" if default == "" else "INTEGER"
                    connection.execute(
                        f"ALTER TABLE runs ADD COLUMN {name} {kind} NOT NULL DEFAULT {default!r}"
                    )

    def add(
        self,
        run: str,
        key: Mapping[str, Any],
        scores: Sequence[Mapping[str, Any]],
        record: Mapping[str, Any],
    ) -> None:
        """Add the scores of a run in one transaction. A run that is there already is unchanged.

        run (str): Hash of the run's settings.
        key (Mapping[str, Any]): Its values of `RUN_COLUMNS`.
        scores (Sequence[Mapping[str, Any]]): Rows with the keys of `SCORE_COLUMNS`.
        record (Mapping[str, Any]): All that is known about the run, kept as JSON.
        """
        text = json.dumps(record, ensure_ascii=False, sort_keys=True)
        with self._connection() as connection, connection:
            added = connection.execute(
                f"INSERT OR IGNORE INTO runs (run, {', '.join(RUN_COLUMNS)}, record) "
                f"VALUES (?, {_marks(RUN_COLUMNS)}, ?)",
                (run, *(key[name] for name in RUN_COLUMNS), text),
            ).rowcount
            if added:
                connection.executemany(
                    f"INSERT INTO scores VALUES (?, {_marks(SCORE_COLUMNS)})",
                    [(run, *(row[name] for name in SCORE_COLUMNS)) for row in scores],
                )
            connection.execute("DELETE FROM failures WHERE run = ?", (run,))

    def runs(self) -> dict[str, dict[str, Any]]:
        """RETURNS (Dict[str, Dict[str, Any]]): The values of `RUN_COLUMNS` of each run by hash."""
        with self._connection() as connection:
            rows = connection.execute(f"SELECT run, {', '.join(RUN_COLUMNS)} FROM runs")
            return {row[0]: dict(zip(RUN_COLUMNS, row[1:], strict=True)) for row in rows}

    def records(self) -> dict[str, dict[str, Any]]:
        """RETURNS (Dict[str, Dict[str, Any]]): The record of each run by hash: settings, counts,
        layer weights, seconds, dev scores."""
        with self._connection() as connection:
            rows = connection.execute("SELECT run, record FROM runs ORDER BY run")
            return {run: json.loads(record) for run, record in rows}

    def set_failures(self, failures: Mapping[str, tuple[str, str]]) -> None:
        """Say which runs failed, in place of what was said before.

        failures (Mapping[str, Tuple[str, str]]): Name and reason by hash.
        """
        with self._connection() as connection, connection:
            connection.execute("DELETE FROM failures")
            connection.executemany(
                "INSERT INTO failures VALUES (?, ?, ?)",
                [(run, name, reason) for run, (name, reason) in failures.items()],
            )

    def failures(self) -> dict[str, tuple[str, str]]:
        """RETURNS (Dict[str, Tuple[str, str]]): Name and reason of each failed run by hash."""
        with self._connection() as connection:
            rows = connection.execute("SELECT run, name, reason FROM failures ORDER BY name")
            return {run: (name, reason) for run, name, reason in rows}

    def rows(self) -> list[tuple[Any, ...]]:
        """RETURNS (List[Tuple]): All scores in the order of `COLUMNS`, sorted."""
        with self._connection() as connection:
            query = f"SELECT {', '.join(COLUMNS)} FROM runs JOIN scores USING (run) ORDER BY "
            return connection.execute(query + _SORTED).fetchall()

    def export(self, path: Path) -> Path:
        """Write the table as CSV, all or nothing.

        path (Path): The file.
        RETURNS (Path): It.
        """
        rows = self.rows()
        with replacing(path) as temporary:
            with temporary.open("w", encoding="utf-8", newline="") as file_:
                writer = csv.writer(file_, lineterminator="\n")
                writer.writerow(COLUMNS)
                writer.writerows(rows)
        return path

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        # One connection per use: nothing is open when the process is killed between two runs.
        with closing(sqlite3.connect(self.path, timeout=60)) as connection:
            yield connection


def read_table(path: str | Path) -> pandas.DataFrame:
    """Read the scores of a sweep.

    path (Union[str, Path]): The sweep's folder, its `results.sqlite` or a CSV file made from it.
    RETURNS (pandas.DataFrame): One row per score, columns as in the table above, sorted by them.
    RAISES (ValueError): If there is no such file, or it has other columns.
    """
    import pandas

    path = Path(path)
    if path.is_dir():
        path = path / SQLITE if (path / SQLITE).is_file() else path / CSV
    if not path.is_file():
        raise ValueError(
            f"{path}: there is no such file. Expected the {SQLITE} or the {CSV} of a sweep. "
            "Fix: `dlfa sweep` writes both into its folder."
        )
    if path.suffix == ".csv":
        frame = pandas.read_csv(path, keep_default_na=False, dtype=str)
        if not {*COLUMNS} - {*frame.columns} - {*_ADDED}:
            frame = frame.assign(**{n: v for n, v in _ADDED.items() if n not in frame.columns})
            frame = frame[[*COLUMNS, *frame.columns.difference(list(COLUMNS))]]
    else:
        frame = pandas.DataFrame(ResultsTable(path).rows(), columns=list(COLUMNS))
    if list(frame.columns) != list(COLUMNS):
        raise ValueError(
            f"{path}: found the columns {', '.join(map(str, frame.columns))}, expected "
            f"{', '.join(COLUMNS)}. Fix: read a file that `dlfa sweep` wrote."
        )
    layers = pandas.to_numeric(frame["layer"].replace("", None)).astype("Int64")
    types = {"texts": int, "seed": int, "value": float, "count": int}
    return frame.assign(layer=layers).astype(types)


def _marks(columns: Sequence[str]) -> str:
    return ", ".join("?" * len(columns))
