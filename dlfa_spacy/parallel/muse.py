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
    english_first = languages_of_name(path)[0] == ENGLISH
    dictionary = WordDictionary(_entries(path, english_first), ignore_identical)
    if not dictionary:
        raise ValueError(
            f"{path}: found no entry ({dictionary.identical} of two equal words were ignored). "
            "Expected a foreign word and an English word per line. Fix: name another file."
        )
    return dictionary


def _entries(path: Path, english_first: bool) -> Iterator[tuple[str, str]]:
    for number, line in numbered_lines(path):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise malformed(
                path,
                number,
                line,
                f"two words with a space or a tab between them, not {len(words)}",
                "Fix: remove entries of several words, which link no single words.",
            )
        yield (words[1], words[0]) if english_first else (words[0], words[1])


def write_muse(dictionary: WordDictionary, path: Path) -> None:
    """Write a dictionary as `<xx>-en.txt`, all of it or nothing.

    dictionary (WordDictionary): The entries.
    path (Path): The file to write.
    """
    write_text(path, "".join(f"{a} {b}\n" for a, b in dictionary.entries()))
