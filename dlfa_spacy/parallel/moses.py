"""Parallel text as Moses and OPUS have it: two files, one sentence per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..files.lines import numbered_lines
from ..files.writing import open_file
from .raw import RawPair


def read_moses(source: Path, target: Path, language: str) -> Iterator[RawPair]:
    """Read two files side by side, line by line.

    source (Path): The foreign sentences.
    target (Path): The English sentences.
    language (str): Code of the foreign language.
    YIELDS (RawPair): The pairs; a side may be empty.
    RAISES (ValueError): The files have not equally many lines. Both are counted before the first
        pair is yielded, because one missing line makes every later pair a wrong one.
    """
    counts = count_lines(source), count_lines(target)
    if counts[0] != counts[1]:
        raise ValueError(
            f"{source} has {counts[0]} lines and {target} has {counts[1]}. Expected as many: line "
            "n of one is the translation of line n of the other. Fix: take two files of one "
            "download, and remove no blank lines from either."
        )
    both = zip(numbered_lines(source), numbered_lines(target), strict=True)
    for (number, foreign), (_, english) in both:
        yield RawPair(language, foreign, english, f"{source}:{number}")


def count_lines(path: Path) -> int:
    """RETURNS (int): How many lines a file has; the last need not end with a line break."""
    lines = 0
    last = b"\n"
    with open_file(path) as file_:
        while block := file_.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")
