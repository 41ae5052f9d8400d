"""Rows of numbers as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .writing import write_text


def to_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """RETURNS (str): The rows under the names of the first one's values; floats to 6 digits, so
    that a committed table changes when a result does, and not with the last bit of a processor."""
    rows = list(rows)
    if not rows:
        return ""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return buffer.getvalue()


def write_csv(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write the rows, all or nothing.

    path (Union[str, Path]): The file.
    rows (Iterable[Mapping[str, Any]]): Each with the same keys.
    RETURNS (Path): It.
    """
    write_text(path, to_csv(rows))
    return Path(path)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value + 0.0:.6f}" if value == value else ""
    return value
