"""Vectors of words that are translations of each other, for every layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ..parallel.pair import SentencePair, one_to_one
from ..pipeline.inspection import layer_states
from ..pipeline.states import BATCH_SIZE


@dataclass
class WordPairs:
    """Words and their translations in context.

    foreign, english (NDArray): `(len(layers), n, E)`; column i of both is a pair.
    words (List[Tuple[str, str]]): The words, foreign and English.
    """

    foreign: NDArray[numpy.float32]
    english: NDArray[numpy.float32]
    words: list[tuple[str, str]] = field(default_factory=list)


def word_pairs(
    nlp: Language,
    pairs: Sequence[SentencePair],
    layers: Sequence[int] | None = None,
    word_repr: str = "mean",
    limit: int = 0,
    batch_size: int = BATCH_SIZE,
) -> WordPairs:
    """The vectors of linked words. Only links of one word with one word count: of others it is not
    known which word is the translation.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    pairs (Sequence[SentencePair]): Sentences; those without links are skipped.
    layers (Sequence[int]): Which layers; all by default.
    word_repr (str): How the wordpieces of a word become one vector: "mean", "first" or "last".
    limit (int): Words; 0 for all.
    batch_size (int): Sentences at once.
    RETURNS (WordPairs): The words.
    RAISES (ValueError): No sentence has a link.

    Source: Cao, Kitaev & Klein 2020, section 3 (contextual word retrieval).
    """
    found: list[tuple[NDArray, NDArray, list[tuple[str, str]]]] = []
    total = 0
    for batch in minibatch(_linked(pairs), batch_size):
        sides = [_docs(nlp, [pair.source_words for pair, _ in batch])]
        sides.append(_docs(nlp, [pair.target_words for pair, _ in batch]))
        states = [layer_states(s, nlp=nlp, layers=layers, word_repr=word_repr) for s in sides]
        for i, (_, links) in enumerate(batch):
            kept = links[: limit - total] if limit else links
            ends = [[link[side] for link in kept] for side in (0, 1)]
            names = [(sides[0][i][a].text, sides[1][i][b].text) for a, b in kept]
            a, b = numpy.asarray(states[0][i]), numpy.asarray(states[1][i])
            found.append((a[:, ends[0]], b[:, ends[1]], names))
            total += len(kept)
        if limit and total >= limit:
            break
    if not total:
        raise ValueError(
            "Words are compared by links between them, and no sentence has one. Expected a third "
            "column of links (0-0 1-2) in the .tsv file. Fix: add it, or compare sentences."
        )
    return WordPairs(
        numpy.concatenate([part[0] for part in found], axis=1),
        numpy.concatenate([part[1] for part in found], axis=1),
        [name for part in found for name in part[2]],
    )


def _linked(
    pairs: Sequence[SentencePair],
) -> Iterator[tuple[SentencePair, list[tuple[int, int]]]]:
    for pair in pairs:
        single = one_to_one(pair.links)
        if single:
            yield pair, single


def _docs(nlp: Language, texts: list[list[str]]) -> list[Doc]:
    return [Doc(nlp.vocab, words=words) for words in texts]
