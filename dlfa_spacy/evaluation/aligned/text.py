"""Sentence pairs as the analysis tools read them: sentences as they are, and their linked words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...alignment.parallel import (
    ParallelCorpus,
    SentencePair,
    induce_dictionaries,
    read_dictionaries,
)
from ...analysis.parallel import Pair, ParallelText


@dataclass
class EvalText:
    """The pairs of one language to measure with.

    sentences (ParallelText): The texts as they are.
    words (ParallelText): The same pairs, cut into words with a blank between them, and with links
        between the words. Pairs without a link are left out.
    """

    sentences: ParallelText
    words: ParallelText = field(init=False)

    def __post_init__(self) -> None:
        self.words = ParallelText(self.sentences.language)


def read_eval_texts(
    path: str | Path,
    languages: Sequence[str] | None = None,
    dictionaries: str | Path = "",
    limit: int = 0,
) -> dict[str, EvalText]:
    """Read parallel text to measure with.

    path (Union[str, Path]): Any file or folder that `ParallelCorpus` reads.
    languages (Optional[Sequence[str]]): Only these.
    dictionaries (Union[str, Path]): Folder of MUSE files to link words with. Without it they are
        induced from this text itself: the same links serve before and after. Links in the files
        come before both.
    limit (int): So many pairs of a language; 0 for all.
    RETURNS (Dict[str, EvalText]): Language -> its pairs.
    """
    if dictionaries:
        known = read_dictionaries(dictionaries)
    else:
        known = induce_dictionaries(ParallelCorpus(path, languages=languages))
    return eval_texts(ParallelCorpus(path, languages=languages, dictionaries=known, limit=limit))


def eval_texts(pairs: Iterable[SentencePair]) -> dict[str, EvalText]:
    """Sort pairs by language.

    pairs (Iterable[SentencePair]): The pairs. One whose side was there before is left out:
        retrieval could not tell which is meant.
    RETURNS (Dict[str, EvalText]): Language -> its pairs, sorted by language.
    """
    found: dict[str, EvalText] = {}
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for pair in pairs:
        text = found.setdefault(pair.language, EvalText(ParallelText(pair.language)))
        sources, targets = seen.setdefault(pair.language, (set(), set()))
        if pair.source_text in sources or pair.target_text in targets:
            text.sentences.repeated += 1
            continue
        sources.add(pair.source_text)
        targets.add(pair.target_text)
        text.sentences.pairs.append(Pair(pair.source_text, pair.target_text))
        if pair.links:
            words = " ".join(pair.source_words), " ".join(pair.target_words)
            text.words.pairs.append(Pair(*words, tuple(pair.links)))
    return dict(sorted(found.items()))
