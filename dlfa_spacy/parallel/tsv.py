"""Parallel text as TSV: foreign TAB English, and links between words if they are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..files.errors import malformed
from ..files.lines import numbered_lines
from .naming import foreign_language
from .raw import RawPair


def read_tsv(path: Path) -> Iterator[RawPair]:
    """Read a file of parallel text line by line. No quoting and no header.

    path (Path): `<xx>-en.tsv`, foreign TAB English, or foreign TAB English TAB links (`0-0 1-2`
        between the words that blanks separate). Blank lines are skipped.
    YIELDS (RawPair): The pairs; a side may be empty.
    RAISES (ValueError): A line has fewer or more columns, naming file and line.
    """
    language = foreign_language(path)
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) not in (2, 3):
            raise malformed(
                path,
                number,
                line,
                f"foreign TAB English (TAB links), not {len(cells)} columns",
                "Fix: remove tabs from the texts, or add the missing side.",
            )
        links = cells[2] if len(cells) == 3 else None
        yield RawPair(language, cells[0], cells[1], f"{path}:{number}", links)
