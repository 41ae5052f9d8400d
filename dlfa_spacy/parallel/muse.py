"""Bilingual dictionaries in the format of MUSE: two words per line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..files.errors import malformed
from ..files.lines import numbered_lines
from ..files.writing import write_text
from .dictionary import WordDictionary
from .naming import ENGLISH, languages_of_name


def read_muse(path: Path, ignore_identical: bool = True) -> WordDictionary:
    """Read a dictionary.

    path (Path): `<xx>-en.txt`, a foreign word and an English word per line, separated by a
        space or a tab, or `en-<xx>.txt`, the other way round.
    ignore_identical (bool): See `WordDictionary`.
    RETURNS (WordDictionary): The entries, each once.
    RAISES (ValueError): A line has not two words, naming file and line; or there are none at all.
    """
    dictionary = WordDictionary(read_entries(path), ignore_identical)
    if not dictionary:
        raise ValueError(
            f"{path}: found no entry ({dictionary.identical} of two equal words were ignored). "
            "Expected a foreign word and an English word per line. Fix: name another file."
        )
    return dictionary


def read_entries(path: Path, expressions: bool = False) -> Iterator[tuple[str, str]]:
    """Read the entries as they are written.

    path (Path): As for `read_muse`.
    expressions (bool): Sides with a tab between them may be of several words.
    YIELDS (Tuple[str, str]): The foreign side and the English side.
    RAISES (ValueError): A line has not two sides, naming file and line.
    """
    english_first = languages_of_name(path)[0] == ENGLISH
    for number, line in numbered_lines(path):
        parts = line.split("\t") if expressions and "\t" in line else line.split()
        sides = [part.strip() for part in parts]
        if not any(sides):
            continue
        if len(sides) != 2 or not all(sides):
            raise malformed(
                path,
                number,
                line,
                f"two words with a space or a tab between them, not {len(line.split())}",
                "Fix: remove entries of several words, which link no single words."
                if not expressions
                else "Fix: put one tab between the two sides of the entry.",
            )
        yield (sides[1], sides[0]) if english_first else (sides[0], sides[1])


def write_muse(dictionary: WordDictionary, path: Path) -> None:
    """Write a dictionary as `<xx>-en.txt`, all of it or nothing.

    dictionary (WordDictionary): The entries.
    path (Path): The file to write.
    """
    write_text(path, "".join(f"{a} {b}\n" for a, b in dictionary.entries()))
