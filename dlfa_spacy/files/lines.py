"""Blocks of numbered lines: what CoNLL-U and IOB2 have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .errors import malformed
from .writing import open_file

Block = list[tuple[int, str]]


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read a UTF-8 file line by line, with or without a byte order mark.

    path (Path): The file.
    YIELDS (Tuple[int, str]): Line number from 1, and the line without its end.
    RAISES (ValueError): If a line is not UTF-8, or the file is not an ordinary one.
    """
    # Bytes are split first: text mode would report a decoding error without its line.
    with open_file(path) as file_:
        for number, raw in enumerate(file_, start=1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise malformed(
                    path,
                    number,
                    raw[error.start : error.start + 8],
                    "UTF-8",
                    "Save the file as UTF-8 and convert it again.",
                ) from error
            yield number, line.rstrip("\r\n")


def blocks(path: Path) -> Iterator[Block]:
    """Read a file as blocks separated by blank lines.

    path (Path): The file.
    YIELDS (List[Tuple[int, str]]): The numbered lines of a block.
    """
    block: Block = []
    for number, line in numbered_lines(path):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block
