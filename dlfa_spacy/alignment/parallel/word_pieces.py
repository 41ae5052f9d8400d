"""Which rows of an encoded batch are the wordpieces of linked words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy
from thinc.types import Ints1d, Ragged

from ...encoder.windows import Windows
from ...types import IntArray
from .pair import SentencePair

WORD_REPRS = ("first", "last", "mean")


@dataclass(frozen=True)
class LinkedRows:
    """The linked words of a batch of sentence pairs, n of them.

    source, target (Ragged): Of each word the packed rows of the foreign and of the English batch
        that are averaged: `data` the rows, word after word, `lengths` `(n,)`, 1 or more.
    pairs (IntArray): `(n,)` the sentence pair each stands in, ascending.
    links (IntArray): `(n, 2)` foreign word, English word.
    lost (int): Links left out because a word has no wordpieces.
    """

    source: Ragged
    target: Ragged
    pairs: IntArray
    links: IntArray
    lost: int = 0


def linked_rows(
    pairs: Sequence[SentencePair],
    source: Windows,
    target: Windows,
    word_repr: str = "mean",
) -> LinkedRows:
    """Find the rows of all linked words of a batch.

    pairs (Sequence[SentencePair]): The batch.
    source, target (Windows): What `segment` made of the Docs of `pair_docs`, side by side.
    word_repr (str): `"first"`, `"last"` or `"mean"` (all) of a word's wordpieces.
    RETURNS (LinkedRows): The rows.
    RAISES (ValueError): No such `word_repr`, or a link points past the words.
    """
    if word_repr not in WORD_REPRS:
        raise ValueError(
            f'word_repr = "{word_repr}": expected one of {", ".join(WORD_REPRS)}. Fix: '
            'word_repr = "mean".'
        )
    counts = [len(pair.links) for pair in pairs]
    docs = numpy.repeat(numpy.arange(len(pairs)), counts)
    links = numpy.asarray([link for pair in pairs for link in pair.links], dtype="int64")
    links = links.reshape(-1, 2)
    tokens = [_tokens(side, docs, links[:, i]) for i, side in enumerate((source, target))]
    sizes = [
        numpy.asarray(windows.align.lengths)[token]
        for windows, token in zip((source, target), tokens, strict=True)
    ]
    there = (sizes[0] > 0) & (sizes[1] > 0)
    return LinkedRows(
        source=rows_of_tokens(source, tokens[0][there], word_repr),
        target=rows_of_tokens(target, tokens[1][there], word_repr),
        pairs=docs[there],
        links=links[there],
        lost=int((~there).sum()),
    )


def rows_of_tokens(windows: Windows, tokens: IntArray, word_repr: str) -> Ragged:
    """Find the rows of some tokens.

    windows (Windows): The encoder's input.
    tokens (IntArray): `(n,)` tokens, counted in the whole batch; one may come several times.
    word_repr (str): `"first"`, `"last"` or `"mean"`. A token in two overlapping windows has the
        wordpieces of both.
    RETURNS (Ragged): `data` the rows, token after token, `lengths` `(n,)`, 0 for a token without
        wordpieces.
    """
    lengths = numpy.asarray(windows.align.lengths, dtype="int64")
    begins = numpy.cumsum(lengths) - lengths
    sizes, starts = lengths[tokens], begins[tokens]
    if word_repr != "mean":
        chosen = numpy.minimum(sizes, 1)
        starts = starts + (sizes - chosen if word_repr == "last" else 0)
        sizes = chosen
    within = numpy.arange(int(sizes.sum())) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
    rows = numpy.asarray(windows.align.dataXd)[numpy.repeat(starts, sizes) + within]
    return Ragged(cast(Ints1d, rows), cast(Ints1d, sizes.astype("int32")))


def _tokens(windows: Windows, docs: IntArray, words: IntArray) -> IntArray:
    """RETURNS (IntArray): `(n,)` the words of Docs as tokens of the batch."""
    bounds = windows.doc_tokens
    tokens = bounds[docs] + words
    wrong = numpy.flatnonzero((words < 0) | (tokens >= bounds[docs + 1]))
    if len(wrong):
        doc, word = int(docs[wrong[0]]), int(words[wrong[0]])
        raise ValueError(
            f"Sentence pair {doc} of the batch: found a link of word {word}, expected 0 to "
            f"{int(bounds[doc + 1] - bounds[doc]) - 1}. Fix: link the words of the pair itself."
        )
    return tokens
