"""One row of the input, good or bad, and what became of a bad one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Record:
    """A row of a file.

    source (str): Name of the file.
    number (int): The row, or line, counted from 1.
    values (Dict[str, Any]): Its columns.
    error (Optional[Exception]): Why it could not be read.
    """

    source: str
    number: int
    values: dict[str, Any]
    error: Exception | None = None

    def id(self, column: str) -> Any:
        """
        column (str): The column with the ids.
        RETURNS (Any): The row's id; without one, where the row lies.
        """
        value = self.values.get(column)
        return f"{self.source}:{self.number}" if value is None else value

    def failure(self, column: str, kind: str, message: str) -> dict[str, Any]:
        """
        column (str): The column with the ids.
        kind (str): Type of the error.
        message (str): What it says.
        RETURNS (Dict[str, Any]): The row's line in `failed.jsonl`.
        """
        return {
            "id": self.id(column),
            "file": self.source,
            "row": self.number,
            "error": kind,
            "message": message,
        }
