"""Cosines of translations and of random pairs, and centering by language."""

import numpy
from numpy.typing import NDArray

from .cka import shuffled_rows
from .retrieval import unit_rows


def mean_cosine(x: NDArray, y: NDArray) -> float:
    """The mean cosine of translations (Chen et al. 2022, Table 3).

    It says nothing without `mean_cosine(x, y[shuffled_rows(n, seed)])` beside it: in an encoder
    whose vectors all point the same way it is near 1 for anything.

    x, y (NDArray): `(n, E)`; row i of both is a pair.
    RETURNS (float): From -1 to 1.
    """
    return float((unit_rows(x) * unit_rows(y)).sum(axis=1).mean())


def random_pair_cosine(x: NDArray, seed: int = 0) -> float:
    """Isotropy: the mean cosine of two different sentences of one language. 0 is isotropic.

    x (NDArray): `(n, E)`.
    seed (int): Which pairs.
    RETURNS (float): From -1 to 1; `nan` for fewer than 2 rows.

    Source: Ethayarajh 2019, section 3.1.
    """
    if len(x) < 2:
        return float("nan")
    return mean_cosine(x, x[shuffled_rows(len(x), seed)])


def centred(x: NDArray) -> NDArray:
    """Subtract the mean vector of a language: free, and what any alignment has to beat.

    x (NDArray): `(..., n, E)`, of one language.
    RETURNS (NDArray): The same shape.
    """
    return x - x.mean(axis=-2, keepdims=True)


def cosine_rows(x: NDArray, y: NDArray) -> NDArray[numpy.float32]:
    """x, y `(n, E)`. RETURNS: `(n,)`, the cosine of each pair of rows; 0 for a row of zeros."""
    return (unit_rows(x) * unit_rows(y)).sum(axis=1)
