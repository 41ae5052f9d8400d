"""Kernel matrices between sentences: what CKA compares."""

from collections.abc import Callable

import numpy
from numpy.typing import NDArray

Matrix = NDArray[numpy.float64]
Kernel = Callable[[NDArray], Matrix]


def linear_kernel(x: NDArray) -> Matrix:
    """x `(n, E)`. RETURNS: K = X X', `(n, n)`, of the centred columns: CKA does not see the mean,
    and without it nothing is lost by rounding."""
    x = numpy.asarray(x, dtype="float64")
    x = x - x.mean(axis=0)
    return x @ x.T


def rbf_kernel(x: NDArray) -> Matrix:
    """K_ij = exp(-|x_i - x_j|^2 / (2 sigma^2)), sigma^2 the median of the squared distances that
    are not zero: the median heuristic, which makes CKA blind to scale.

    x (NDArray): `(n, E)`.
    RETURNS (NDArray): `(n, n)`.
    """
    squares = squared_distances(x)
    positive = squares[squares > 0]
    if not len(positive):
        # All rows are equal: nothing varies, as under the linear kernel.
        return numpy.ones_like(squares)
    return numpy.exp(-0.5 * squares / numpy.median(positive))


def squared_distances(x: NDArray) -> Matrix:
    """x `(n, E)`. RETURNS: `(n, n)`, exactly 0 on the diagonal and between equal rows."""
    x = numpy.asarray(x, dtype="float64")
    x = x - x.mean(axis=0)
    norms = (x * x).sum(axis=1)
    squares = norms[:, None] + norms[None, :] - 2 * (x @ x.T)
    # Rounding leaves something like 1e-16 of the norms where rows are equal, and a median of that
    # would be a bandwidth of nothing.
    squares[squares < 1e-12 * max(float(norms.max(initial=0.0)), 1e-300)] = 0.0
    numpy.fill_diagonal(squares, 0.0)
    return squares


KERNELS: dict[str, Kernel] = {"linear": linear_kernel, "rbf": rbf_kernel}
