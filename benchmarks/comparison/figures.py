"""What was measured, as rows of a CSV file that all tables are made from."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from dlfa_spacy.files.writing import write_text


@dataclass(frozen=True)
class Figure:
    """One row.

    measure (str): What was measured: one of `MEASURES`.
    encoder (str): "own" or "base", see `encoders`.
    texts (str): Which texts.
    words (int): How many words they have; 0 where that says nothing.
    system (str): What ran.
    quantity (str): "seconds", "bytes", ...
    value (float): The median.
    low, high (float): The extremes.
    rounds (int): Of how many.
    """

    measure: str
    encoder: str
    texts: str
    words: int
    system: str
    quantity: str
    value: float
    low: float
    high: float
    rounds: int

    @property
    def words_per_second(self) -> float:
        return self.words / self.value


COLUMNS = tuple(field.name for field in fields(Figure))


def figure(
    measure: str,
    encoder: str,
    texts: str,
    system: str,
    quantity: str,
    values: Sequence[float],
    words: int = 0,
) -> Figure:
    """RETURNS (Figure): The median of some values and their extremes."""
    middle = float(statistics.median(values))
    low, high = float(min(values)), float(max(values))
    return Figure(measure, encoder, texts, words, system, quantity, middle, low, high, len(values))


def find(figures: Iterable[Figure], **wanted: str) -> list[Figure]:
    """RETURNS (List[Figure]): Those whose columns have the values wanted."""
    return [f for f in figures if all(getattr(f, key) == v for key, v in wanted.items())]


def merge(before: Iterable[Figure], now: Sequence[Figure]) -> list[Figure]:
    """Put new figures in the place of old ones: all of a measure and an encoder that were measured
    together, so that no ratio is ever of two runs.

    RETURNS (List[Figure]): Old ones that stay, then the new.
    """
    measured = {_group(f) for f in now}
    return [f for f in before if _group(f) not in measured] + list(now)


def _group(figure: Figure) -> tuple[str, ...]:
    # Profiles are kept one beside the other: before and after a change.
    own = (figure.texts,) if figure.measure == "profile" else ()
    return (figure.measure, figure.encoder, *own)


def write_csv(path: Path, figures: Iterable[Figure]) -> None:
    """Write figures, all or nothing."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in figures:
        numbers = {key: f"{getattr(row, key):.6g}" for key in ("value", "low", "high")}
        writer.writerow({**asdict(row), **numbers})
    write_text(path, buffer.getvalue())


def read_csv(path: Path) -> list[Figure]:
    """RETURNS (List[Figure]): What `write_csv` wrote; none if there is no file.

    RAISES (ValueError): The file has other columns.
    """
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file_:
        reader = csv.DictReader(file_)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"{path}: found the columns {reader.fieldnames}, expected {list(COLUMNS)}. "
                "Fix: choose another folder (--out), or remove the file."
            )
        return [
            Figure(
                **{key: row[key] for key in ("measure", "encoder", "texts", "system", "quantity")},
                words=int(row["words"]),
                value=float(row["value"]),
                low=float(row["low"]),
                high=float(row["high"]),
                rounds=int(row["rounds"]),
            )
            for row in reader
        ]
