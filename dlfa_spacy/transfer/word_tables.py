"""What may stand in the place of an English word: translations by language, or synonyms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..parallel import ParallelCorpus, induce_dictionaries
from ..parallel.dictionary import fold
from ..parallel.muse import read_entries
from ..parallel.naming import foreign_language

# Folded English word -> what may take its place, in the order and as often as the file has it.
WordTable = dict[str, tuple[str, ...]]


def read_translations(
    folder: str | Path, languages: Sequence[str] | None = None
) -> dict[str, WordTable]:
    """Read bilingual dictionaries as tables from English. Letters keep their case, an entry that is
    there several times counts as often, and entries of several words are kept.

    folder (Union[str, Path]): With `<xx>-en.txt` or `en-<xx>.txt` files in MUSE's format: two words
        with a space between them, or two expressions with a tab. If a language has both, both are
        used.
    languages (Optional[Sequence[str]]): Only these; all by default.
    RETURNS (Dict[str, WordTable]): Language -> table.
    RAISES (ValueError): There are none, or one that was named is not there.
    """
    entries: dict[str, list[tuple[str, str]]] = {}
    for file in sorted(Path(folder).glob("*.txt")):
        language = foreign_language(file)
        if languages is None or language in languages:
            entries.setdefault(language, []).extend(read_entries(file, expressions=True))
    return _checked(
        {language: _table((b, a) for a, b in found) for language, found in entries.items()},
        languages,
        str(folder),
    )


def induce_translations(
    parallel: str | Path, languages: Sequence[str] | None = None, threshold: float = 0.3
) -> dict[str, WordTable]:
    """Induce such tables from parallel text.

    parallel (Union[str, Path]): A file or folder, as `dlfa align` reads it.
    languages (Optional[Sequence[str]]): Only these; all by default.
    threshold (float): See `induce_dictionary`.
    RETURNS (Dict[str, WordTable]): Language -> table, of folded words.
    RAISES (ValueError): The text is too little, or a language that was named is not there.
    """
    found = induce_dictionaries(ParallelCorpus(parallel, languages=languages), threshold)
    tables = {
        language: _table((b, a) for a, b in dictionary.entries())
        for language, dictionary in found.items()
    }
    return _checked(tables, languages, str(parallel))


def read_synonyms(path: str | Path) -> WordTable:
    """Read a table of synonyms.

    path (Union[str, Path]): A JSON file, word -> list of words, the format of Robust-XLT; or a text
        file with a word and its synonyms in each line, tabs between them.
    RETURNS (WordTable): The table.
    RAISES (ValueError): The file is of another form, or empty.
    """
    text = Path(path).read_text(encoding="utf-8")
    lists: dict[str, list[str]] = {}
    if Path(path).suffix == ".json":
        found = json.loads(text)
        is_table = isinstance(found, dict) and all(
            isinstance(words, list) and all(isinstance(word, str) for word in words)
            for words in found.values()
        )
        lists = found if is_table else {}
    else:
        for line in text.splitlines():
            word, *others = line.split("\t")
            lists.setdefault(word, []).extend(others)
    table = _table((word, other) for word, others in lists.items() for other in others)
    if not table:
        raise ValueError(
            f"{path}: found no synonyms, expected a JSON file with a list of words for each word, "
            "or lines of words with tabs between them. Fix: name another file."
        )
    return table


def _table(entries: Iterable[tuple[str, str]]) -> WordTable:
    found: dict[str, list[str]] = {}
    for english, other in entries:
        if english.strip() and other.strip():
            found.setdefault(fold(english.strip()), []).append(other.strip())
    return {word: tuple(others) for word, others in found.items()}


def _checked(
    tables: dict[str, WordTable], languages: Sequence[str] | None, where: str
) -> dict[str, WordTable]:
    missing = sorted(code for code in languages or () if not tables.get(code))
    if missing or not any(tables.values()):
        raise ValueError(
            f"{where}: found translations into {sorted(x for x in tables if tables[x])}, expected "
            f"{missing or 'at least one language'}. Fix: correct languages, or give more text or "
            "other dictionaries."
        )
    return {language: table for language, table in sorted(tables.items()) if table}
