"""A dictionary for every language of a corpus: from a folder, or from the corpus itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .corpus import ParallelCorpus
from .dictionary import WordDictionary
from .induce import induce_dictionary
from .muse import read_muse
from .naming import foreign_language
from .pair import SentencePair
from .sources import PathLike


def read_dictionaries(
    folder: PathLike, languages: Sequence[str] | None = None
) -> dict[str, WordDictionary]:
    """Read the dictionaries of a folder.

    folder (Union[str, Path]): With `<xx>-en.txt` files in MUSE's format.
    languages (Optional[Sequence[str]]): Only these; all by default.
    RETURNS (Dict[str, WordDictionary]): Language -> dictionary.
    RAISES (ValueError): There are none.
    """
    files = {foreign_language(file): file for file in sorted(Path(folder).glob("*.txt"))}
    found = {
        language: read_muse(file)
        for language, file in files.items()
        if languages is None or language in languages
    }
    if not found:
        raise ValueError(
            f"{folder}: found no dictionary, expected files <xx>-en.txt with two words per line. "
            "Fix: name another folder, or induce dictionaries from the parallel text."
        )
    return found


def induce_dictionaries(
    corpus: ParallelCorpus, threshold: float = 0.3, min_count: int = 2
) -> dict[str, WordDictionary]:
    """Induce a dictionary for every language of a corpus, in one pass.

    corpus (ParallelCorpus): The parallel text. Give the result as `dictionaries` of another.
    threshold (float): See `induce_dictionary`.
    min_count (int): See `induce_dictionary`.
    RETURNS (Dict[str, WordDictionary]): Language -> dictionary; empty where the text is too little.
    """
    pairs: dict[str, list[SentencePair]] = {}
    for pair in corpus:
        pairs.setdefault(pair.language, []).append(pair)
    return {
        language: induce_dictionary(found, threshold, min_count).dictionary()
        for language, found in sorted(pairs.items())
    }
