"""Extend word links to words that parallel text never shows.

A word that has no link still has neighbours and a spelling. For each language, a ridge
regression goes from (a) PPMI + SVD vectors of the word's neighbourhood in monolingual text and
(b) its first and last letters to the English parent's embedding; it is fitted on the linked words
and applied to all. The idea of borrowing through static vectors is that of WECHSEL (Minixhofer
et al. 2022); a direct regression replaces its Procrustes map, which needs far more text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import svds

Floats = NDArray[np.float64]


def cooccurrence(
    sentences: Sequence[Sequence[int]], n_words: int, n_contexts: int, *, window: int = 2
) -> sparse.csr_matrix:
    """Count neighbours, each position of the window apart, since word order carries syntax.

    sentences (Sequence[Sequence[int]]): Word ids, most frequent word 0; -1 for a rare word.
    n_words (int): Rows.
    n_contexts (int): Only the most frequent words are counted as neighbours.
    window (int): Neighbours on each side.
    RETURNS (sparse.csr_matrix): (n_words, 2 * window * n_contexts).
    """
    gap = [-2] * window
    flat = np.array([i for sentence in sentences for i in (*sentence, *gap)], dtype=np.int64)
    total = sparse.csr_matrix((n_words, 2 * window * n_contexts))
    for block, shift in enumerate([s for s in range(-window, window + 1) if s]):
        neighbour = np.full_like(flat, -2)
        if shift > 0:
            neighbour[:-shift] = flat[shift:]
        else:
            neighbour[-shift:] = flat[:shift]
        good = (flat >= 0) & (neighbour >= 0) & (neighbour < n_contexts)
        columns = neighbour[good] + block * n_contexts
        ones = np.ones(int(good.sum()))
        total = total + sparse.csr_matrix((ones, (flat[good], columns)), shape=total.shape)
    return total


def ppmi_svd(counts: sparse.csr_matrix, width: int, *, shift: float = 0.0) -> Floats:
    """Positive pointwise mutual information, reduced by a truncated SVD.

    counts (sparse.csr_matrix): (W, C) neighbour counts.
    width (int): Dimensions to keep.
    shift (float): Subtracted from the information before negative values are cut.
    RETURNS (Floats): (W, width), singular values to the power one half, unit rows where any.
    """
    table = counts.tocoo()
    total = table.data.sum()
    if total == 0:
        return np.zeros((counts.shape[0], width))
    row = np.asarray(counts.sum(1)).ravel()
    column = np.asarray(counts.sum(0)).ravel() ** 0.75
    column *= total / max(column.sum(), 1e-9)
    info = np.log(table.data * total / (row[table.row] * column[table.col])) - shift
    matrix = sparse.csr_matrix((np.maximum(info, 0.0), (table.row, table.col)), shape=counts.shape)
    rank = min(width, min(matrix.shape) - 1)
    start = np.random.default_rng(0).normal(size=min(matrix.shape))
    left, values, _ = svds(matrix, k=rank, v0=start)
    vectors = left * np.sqrt(values)
    out = np.zeros((counts.shape[0], width))
    out[:, :rank] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return out


def spelling_features(words: Sequence[str], *, max_features: int = 2500) -> sparse.csr_matrix:
    """Mark endings, beginnings and shape of words.

    words (Sequence[str]): W cased words.
    max_features (int): The most frequent features are kept.
    RETURNS (sparse.csr_matrix): (W, F) of zeros and ones.
    """
    names: list[list[str]] = []
    count: dict[str, int] = {}
    for word in words:
        low = word.casefold()
        features = [f"-{low[-n:]}" for n in (1, 2, 3, 4) if len(low) > n]
        features += [f"{low[:n]}-" for n in (1, 2, 3) if len(low) > n]
        features += [f"len{min(len(low), 12)}", f"upper{word[:1].isupper()}"]
        features += [f"digit{any(c.isdigit() for c in word)}"]
        names.append(features)
        for name in features:
            count[name] = count.get(name, 0) + 1
    kept = sorted(count, key=lambda name: (-count[name], name))[:max_features]
    index = {name: i for i, name in enumerate(kept)}
    rows = [r for r, features in enumerate(names) for f in features if f in index]
    columns = [index[f] for features in names for f in features if f in index]
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(words), len(kept)))


def ridge(
    features: sparse.csr_matrix, targets: Floats, weights: Floats, *, penalty: float
) -> tuple[Floats, Floats]:
    """Weighted ridge regression with an unpenalised mean.

    features (sparse.csr_matrix): (K, F).
    targets (Floats): (K, E).
    weights (Floats): (K,) trust in each row.
    penalty (float): L2 penalty on the map.
    RETURNS (tuple[Floats, Floats]): The map (F, E) and the mean target (E,).
    """
    mean = (weights[:, None] * targets).sum(0) / weights.sum()
    weighted = sparse.diags(weights) @ features
    gram = np.asarray((features.T @ weighted).todense())
    gram[np.diag_indices_from(gram)] += penalty
    right = np.asarray(weighted.T @ (targets - mean))
    return cho_solve(cho_factor(gram), right), mean


def word_features(
    words: Sequence[str], neighbours: Floats, *, neighbour_scale: float = 6.0
) -> sparse.csr_matrix:
    """Join both kinds of features.

    words (Sequence[str]): W cased words.
    neighbours (Floats): (W, D) from `ppmi_svd`.
    neighbour_scale (float): Their scale against the zeros and ones of the spelling.
    RETURNS (sparse.csr_matrix): (W, D + F).
    """
    dense = sparse.csr_matrix(neighbours * neighbour_scale)
    return sparse.hstack([dense, spelling_features(words)], format="csr")
