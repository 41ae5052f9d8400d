"""JSONL and plain text: a row a line, found again by its place in bytes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..corpora.jsonl import parse_json
from ..files.writing import open_file
from .pieces import Piece
from .records import Record
from .settings import AnnotationSettings
from .sources import LINES, Source

# A shard of long texts has fewer rows, so that its memory has a bound.
_BYTES_A_SHARD = 1 << 24
# A column that none of so many rows has is not in the file.
_ROWS_LOOKED_AT = 100


def cut(source: Source, size: int, seen: Any) -> Iterator[Piece]:
    """Cut a file into pieces of whole lines.

    source (Source): The file.
    size (int): Lines of a piece, at most.
    seen (Any): A hash, which is told each line.
    YIELDS (Piece): The pieces.
    """
    first, begin, end, n_lines, rows = 1, 0, 0, 0, 0
    with open_file(source.path) as file_:
        for line in file_:
            seen.update(line)
            end += len(line)
            n_lines += 1
            rows += source.kind != LINES or bool(line.strip())
            if n_lines == size or end - begin >= _BYTES_A_SHARD:
                yield Piece(first, rows, begin, end, end - begin)
                first, begin, n_lines, rows = first + n_lines, end, 0, 0
    if n_lines:
        yield Piece(first, rows, begin, end, end - begin)


def read(source: Source, piece: Piece, settings: AnnotationSettings) -> Iterator[Record]:
    """Read a piece.

    source (Source): The file.
    piece (Piece): The piece.
    settings (AnnotationSettings): What plain text is a column of.
    YIELDS (Record): Its rows.
    RAISES (ValueError): The file has become shorter.
    """
    left = piece.end - piece.begin
    with open_file(source.path) as file_:
        file_.seek(piece.begin)
        for number, line in enumerate(file_, start=piece.first):
            left -= len(line)
            record = parse(source, number, line, settings)
            if record is not None:
                yield record
            if left <= 0:
                break
    if left:
        raise ValueError(
            f"IN {source.path}: found another file than when it was cut into shards, expected that "
            "it does not change. Fix: give the command again when nobody writes to the file."
        )


def parse(source: Source, number: int, raw: bytes, settings: AnnotationSettings) -> Record | None:
    """Read a line.

    source (Source): The file.
    number (int): The line's number.
    raw (bytes): The line.
    settings (AnnotationSettings): What plain text is a column of.
    RETURNS (Optional[Record]): The row; None for a blank line of JSONL.
    """
    try:
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        if source.kind != LINES:
            return Record(source.name, number, {settings.text_column: line})
        if not line.strip():
            return None
        return Record(source.name, number, parse_json(Path(source.name), number, line))
    except ValueError as error:
        return Record(source.name, number, {}, error)


def check_columns(source: Source, settings: AnnotationSettings) -> None:
    """Look for the columns in the first rows: a misspelt name would fail every text.

    source (Source): The file.
    settings (AnnotationSettings): The columns.
    RAISES (ValueError): One is not there.
    """
    # In the order in which they come, so that the error is the same each time.
    known: dict[str, None] = {}
    with open_file(source.path) as file_:
        parsed = (parse(source, number, raw, settings) for number, raw in enumerate(file_, start=1))
        good = (record for record in parsed if record is not None and record.error is None)
        for record in itertools.islice(good, _ROWS_LOOKED_AT):
            known.update(dict.fromkeys(record.values))
    if known:
        check_names(source, list(known), settings)


def check_names(source: Source, known: list[str], settings: AnnotationSettings) -> None:
    """
    source (Source): The file.
    known (List[str]): Its columns.
    settings (AnnotationSettings): The columns wanted.
    RAISES (ValueError): One is not there.
    """
    wanted = [("--text-column", settings.text_column), ("--id-column", settings.id_column)]
    for option, name in [*wanted, *(("--keep", name) for name in settings.keep)]:
        if name and name not in known:
            raise ValueError(
                f"{option} = {name}: {source.name} has no such column, it has "
                f"{', '.join(known) or 'none'}. Fix: name one of these."
            )
