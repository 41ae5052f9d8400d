"""Parallel text to measure with: the pairs of each language, and links between their words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .corpus import ParallelCorpus
from .dictionaries import induce_dictionaries, read_dictionaries
from .pair import SentencePair
from .text import ParallelText


def linked_corpus(
    path: str | Path,
    languages: Sequence[str] | None = None,
    dictionaries: str | Path = "",
    limit: int = 0,
    induced_from: int = 0,
    **sizes: Any,
) -> ParallelCorpus:
    """Parallel text with links between its words.

    path (Union[str, Path]): Any file or folder that `ParallelCorpus` reads.
    languages (Optional[Sequence[str]]): Only these.
    dictionaries (Union[str, Path]): Folder of MUSE files to link words with. Without it they are
        induced from the text itself. Links in the files come before both.
    limit (int): Pairs per language; 0 for all.
    induced_from (int): Pairs per language to induce from; 0 for all.
    sizes (Any): More arguments of `ParallelCorpus`.
    RETURNS (ParallelCorpus): The text.
    """
    if dictionaries:
        known = read_dictionaries(dictionaries, languages)
    else:
        known = induce_dictionaries(ParallelCorpus(path, languages=languages, limit=induced_from))
    return ParallelCorpus(path, languages=languages, dictionaries=known, limit=limit, **sizes)


def read_linked_texts(
    path: str | Path,
    languages: Sequence[str] | None = None,
    dictionaries: str | Path = "",
    limit: int = 0,
) -> dict[str, ParallelText]:
    """Read parallel text to measure with: the same links serve before and after.

    Arguments are those of `linked_corpus`.
    RETURNS (Dict[str, ParallelText]): Language -> its pairs.
    """
    return by_language(linked_corpus(path, languages, dictionaries, limit))


def by_language(pairs: Iterable[SentencePair]) -> dict[str, ParallelText]:
    """Sort pairs by language.

    pairs (Iterable[SentencePair]): The pairs. One whose side occurred before is left out:
        retrieval could not tell which is meant.
    RETURNS (Dict[str, ParallelText]): Language -> its pairs, sorted by language.
    """
    found: dict[str, ParallelText] = {}
    for pair in pairs:
        found.setdefault(pair.language, ParallelText(pair.language)).add(pair)
    return dict(sorted(found.items()))
