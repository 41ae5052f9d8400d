"""Links by the vectors of words: each other's most similar ones, without dictionary or training."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

from .pair import Link

Floats = NDArray[numpy.float32]
Mask = NDArray[numpy.bool_]


def link_by_similarity(source: Floats, target: Floats) -> list[Link]:
    """Link the words of a pair.

    The mean vector of each side is subtracted: most of it is the language. Two words that are each
    other's most similar are linked. From there links grow: a word that has none is linked to its
    most similar word, or to a word whose most similar one it is, if that is linked to a neighbor of
    it. So one word can be the translation of several that stand together.

    source (Floats): `(n, E)`, a vector of each foreign word; zeros for none.
    target (Floats): `(m, E)`, of each English word.
    RETURNS (List[Tuple[int, int]]): The links, sorted.

    Sources: Jalili Sabet et al. 2020 (SimAlign), "argmax"; Koehn, Och & Marcu 2003 (Statistical
    Phrase-Based Translation), section 3.1, without the diagonal.
    """
    if not (source.any() and target.any()):
        return []
    # Of a side of one word nothing would be left.
    center = min(_known(source).sum(), _known(target).sum()) > 1
    cosines = _unit(source, center=center) @ _unit(target, center=center).T  # (n, m)
    cosines[~_known(source)] = -numpy.inf
    cosines[:, ~_known(target)] = -numpy.inf
    forward, backward = numpy.zeros_like(cosines, bool), numpy.zeros_like(cosines, bool)
    forward[numpy.arange(len(source)), cosines.argmax(axis=1)] = True
    backward[cosines.argmax(axis=0), numpy.arange(len(target))] = True
    exist = numpy.isfinite(cosines)
    found = _grown(forward & backward & exist, (forward | backward) & exist)
    return [(int(i), int(j)) for i, j in zip(*found.nonzero(), strict=True)]


def _known(vectors: Floats) -> Mask:
    return (vectors != 0).any(axis=1)


def _unit(vectors: Floats, *, center: bool) -> Floats:
    """RETURNS (Floats): `(n, E)`, of length 1."""
    if center:
        vectors = vectors - vectors[_known(vectors)].mean(axis=0)
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.maximum(lengths, numpy.finfo(vectors.dtype).tiny)


def _grown(links: Mask, candidates: Mask) -> Mask:
    """Add candidates that touch a link and have a word without one, until there are no more."""
    # An edge of words that do not exist, so that every word has neighbors.
    found = numpy.pad(links, 1)
    waiting = [(i + 1, j + 1) for i, j in zip(*(candidates & ~links).nonzero(), strict=True)]
    grows = True
    while grows:
        grows = False
        for i, j in waiting:
            is_free = not (found[i].any() and found[:, j].any())
            touches = found[i, j - 1] | found[i, j + 1] | found[i - 1, j] | found[i + 1, j]
            if is_free and touches and not found[i, j]:
                found[i, j] = grows = True
    return found[1:-1, 1:-1]
