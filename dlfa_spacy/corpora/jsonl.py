"""JSONL: one text or pair per line, as a JSON object."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from ..files.errors import malformed
from ..files.lines import numbered_lines
from .tsv import Record


def parse_json(path: Path, number: int, line: str) -> dict[str, object]:
    """Read one line.

    path (Path): The file.
    number (int): The line's number.
    line (str): The line.
    RETURNS (Dict[str, object]): The object.
    RAISES (ValueError): If it is not a JSON object.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise malformed(
            path,
            number,
            line if len(line) < 100 else f"...{line[-80:]}",
            f"one JSON object on one line ({error})",
            "Fix: complete the line; if it is the last one, the file was cut off, copy it again.",
        ) from error
    if not isinstance(values, dict):
        raise malformed(
            path,
            number,
            line,
            'a JSON object such as {"text": "...", "label": "..."}',
            "Fix: give each value its key.",
        )
    return values


def read_jsonl(path: Path) -> Iterator[Record]:
    """Read a file, one object after the other.

    path (Path): The file.
    YIELDS (Tuple[int, Dict[str, object]]): Line number and object.
    RAISES (ValueError): If a line is not UTF-8 or not a JSON object.
    """
    for number, line in numbered_lines(path):
        if line.strip():
            yield number, parse_json(path, number, line)
