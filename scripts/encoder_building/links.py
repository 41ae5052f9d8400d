"""Word links from parallel text: IBM-1 style EM in both directions, trained to agree.

Sources: Brown et al. 1993 (IBM models), Liang et al. 2006 (alignment by agreement),
Dyer et al. 2013 (diagonal prior, variational Bayes). Everything is a flat array of *cells*,
one for each (foreign word, English word) of each pair of sentences, so that one EM step is a
handful of `numpy.bincount` calls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from .text import Pair

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass
class Links:
    """Links of one language's words to English words.

    foreign, english: the words, by id.
    foreign_ids, english_ids (K,): one entry a linked pair of words.
    counts (K,): expected number of occurrences in which they are linked.
    """

    foreign: list[str]
    english: list[str]
    foreign_ids: Ints
    english_ids: Ints
    counts: Floats
    tokens: TokenLinks | None = None


@dataclass
class TokenLinks:
    """Links of single occurrences: (M,) sentence pair, foreign position, English position."""

    pair: Ints
    foreign: Ints
    english: Ints


@dataclass
class Cells:
    """All cells of a corpus. Arrays are (C,), one entry a cell."""

    f_word: Ints
    e_word: Ints
    f_token: Ints
    e_token: Ints
    diagonal: Floats


def build_cells(f_sents: Sequence[Ints], e_sents: Sequence[Ints], *, tension: float) -> Cells:
    """Lay out the cells of a corpus.

    f_sents, e_sents (Sequence[Ints]): Word ids of each sentence, pair by pair.
    tension (float): Strength of the diagonal prior exp(-tension * |i/n - j/m|).
    RETURNS (Cells): The cells.
    """
    columns: list[list[NDArray]] = [[], [], [], [], []]
    f_start = e_start = 0
    for f, e in zip(f_sents, e_sents, strict=True):
        n, m = len(f), len(e)
        i, j = np.divmod(np.arange(n * m), m)
        gap = np.abs((i + 0.5) / n - (j + 0.5) / m)
        parts = (f[i], e[j], f_start + i, e_start + j, np.exp(-tension * gap))
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
        f_start, e_start = f_start + n, e_start + m
    if not columns[0]:
        empty = np.zeros(0, dtype=np.int64)
        return Cells(empty, empty, empty, empty, np.zeros(0))
    return Cells(*(np.concatenate(column) for column in columns))


def _conditional(pair: Ints, given: Ints, counts: Floats, size: int, alpha: float) -> Floats:
    """Probabilities of each word pair given one side; digamma punishes what was seen once."""
    totals = np.bincount(given, weights=counts, minlength=size)
    seen = np.bincount(given, minlength=size)
    upper = np.exp(digamma(counts + alpha))
    out: Floats = upper / np.exp(digamma(totals + alpha * seen))[given]
    return out


def run_em(
    cells: Cells,
    n_foreign: int,
    n_english: int,
    *,
    prior: Floats,
    iterations: int = 6,
    null: float = 0.15,
    alpha: float = 0.02,
    agree_from: int = 2,
) -> Floats:
    """Run EM and return the posterior of every cell.

    cells (Cells): The corpus.
    n_foreign, n_english (int): Sizes of the two word lists.
    prior (Floats): (C,) factor on each cell, which no iteration changes.
    iterations (int): EM steps.
    null (float): Share of a word's mass that may stay unlinked.
    alpha (float): Concentration of the Dirichlet prior over translations.
    agree_from (int): From this step on both directions see the product of their posteriors.
    RETURNS (Floats): (C,) the geometric mean of both directions' posteriors.
    """
    if not len(cells.f_word):
        return np.zeros(0)
    key = cells.f_word * n_english + cells.e_word
    unique, pair = np.unique(key, return_inverse=True)
    pair_f, pair_e = np.divmod(unique, n_english)
    n_f, n_e = int(cells.f_token.max()) + 1, int(cells.e_token.max()) + 1
    forward = backward = np.ones(len(unique))
    both = np.zeros(len(pair))
    for step in range(iterations):
        posteriors = []
        for table, token, size in (
            (forward, cells.f_token, n_f),
            (backward, cells.e_token, n_e),
        ):
            score = table[pair] * prior
            total = np.bincount(token, weights=score, minlength=size)
            mean = total / np.maximum(np.bincount(token, minlength=size), 1)
            posteriors.append(score / (total + null * mean + 1e-300)[token])
        both = np.sqrt(posteriors[0] * posteriors[1])
        if step >= agree_from:
            posteriors = [both, both]
        counts = [
            np.asarray(np.bincount(pair, weights=p, minlength=len(unique)), dtype=np.float64)
            for p in posteriors
        ]
        forward = _conditional(pair, pair_e, counts[0], n_english, alpha)
        backward = _conditional(pair, pair_f, counts[1], n_foreign, alpha)
    return both


def _ids(sentences: Sequence[Sequence[str]]) -> tuple[list[str], list[Ints]]:
    index: dict[str, int] = {}
    rows = [
        np.array([index.setdefault(word, len(index)) for word in sentence], dtype=np.int64)
        for sentence in sentences
    ]
    return list(index), rows


def _stem_ids(words: Sequence[str], stem: Callable[[str], str]) -> tuple[Ints, int]:
    index: dict[str, int] = {}
    ids = np.array([index.setdefault(stem(w), len(index)) for w in words], dtype=np.int64)
    return ids, len(index)


def foreign_stem(word: str) -> str:
    """The first letters of a word: enough to pool its inflections in a thin corpus."""
    folded = word.casefold()
    return folded[: max(4, min(6, (len(folded) + 1) * 2 // 3))]


def english_stem(word: str) -> str:
    """Like `foreign_stem`, a little longer, since English inflects less."""
    return word[: max(4, min(7, len(word) - 2))]


def align(
    pairs: Sequence[Pair],
    similarity: Callable[[list[str], list[str], Ints, Ints], Floats] | None = None,
    *,
    tension: float = 4.0,
    string_weight: float = 12.0,
    iterations: int = 6,
    min_count: float = 0.3,
) -> Links:
    """Link the words of a language to English words.

    pairs (Sequence[Pair]): Translations as words; the foreign side's case is folded here.
    similarity (Callable): Takes both word lists and two arrays of ids (K,); returns (K,)
        string similarities in [0, 1]. They enter as a prior: 1 + string_weight * similarity.
    tension (float): See `build_cells`.
    string_weight (float): Weight of string similarity.
    iterations (int): EM steps, first over stems and then over words.
    min_count (float): Links expected less often are dropped.
    RETURNS (Links): The links, with their expected counts.
    """
    foreign, f_rows = _ids([[w.casefold() for w in left] for left, _ in pairs])
    english, e_rows = _ids([right for _, right in pairs])
    cells = build_cells(f_rows, e_rows, tension=tension)
    prior = cells.diagonal
    if similarity is not None and len(prior):
        key = cells.f_word * len(english) + cells.e_word
        unique, pair = np.unique(key, return_inverse=True)
        strings = similarity(foreign, english, unique // len(english), unique % len(english))
        prior = prior * (1.0 + string_weight * strings[pair])
    f_stem, n_f = _stem_ids(foreign, foreign_stem)
    e_stem, n_e = _stem_ids(english, english_stem)
    stems = Cells(
        f_stem[cells.f_word], e_stem[cells.e_word], cells.f_token, cells.e_token, cells.diagonal
    )
    coarse = run_em(stems, n_f, n_e, prior=prior, iterations=iterations)
    posterior = run_em(
        cells,
        len(foreign),
        len(english),
        prior=prior * (coarse + 0.02),
        iterations=iterations,
    )
    key = cells.f_word * max(len(english), 1) + cells.e_word
    unique, pair = np.unique(key, return_inverse=True)
    counts = np.asarray(
        np.bincount(pair, weights=posterior, minlength=len(unique)), dtype=np.float64
    )
    keep = counts >= min_count
    f_ids, e_ids = np.divmod(unique[keep], max(len(english), 1))
    tokens = _token_links(cells, posterior, f_rows, e_rows)
    return Links(foreign, english, f_ids, e_ids, counts[keep], tokens)


def _token_links(
    cells: Cells, posterior: Floats, f_rows: Sequence[Ints], e_rows: Sequence[Ints]
) -> TokenLinks:
    """Keep the cells that are the best of both their words, and likely."""
    if not len(posterior):
        empty = np.zeros(0, dtype=np.int64)
        return TokenLinks(empty, empty, empty)
    best_f = np.zeros(int(cells.f_token.max()) + 1)
    best_e = np.zeros(int(cells.e_token.max()) + 1)
    np.maximum.at(best_f, cells.f_token, posterior)
    np.maximum.at(best_e, cells.e_token, posterior)
    keep = (posterior >= best_f[cells.f_token]) & (posterior >= best_e[cells.e_token])
    keep &= posterior > 0.4
    f_start = np.cumsum([0, *map(len, f_rows)])
    e_start = np.cumsum([0, *map(len, e_rows)])
    f_token, e_token = cells.f_token[keep], cells.e_token[keep]
    pair = np.searchsorted(f_start, f_token, side="right") - 1
    return TokenLinks(pair, f_token - f_start[pair], e_token - e_start[pair])
