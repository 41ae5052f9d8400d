"""CKA: how similarly two sets of vectors arrange the same sentences."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy
from numpy.typing import NDArray

# The kinds of CKA that a table shows: kernel and whether it is debiased.
KINDS = [("linear", True), ("rbf", True), ("linear", False), ("rbf", False)]


def cka(x: NDArray, y: NDArray, kernel: str = "linear", debiased: bool = True) -> float:
    """CKA = HSIC(K, M) / sqrt(HSIC(K, K) HSIC(M, M)).

    The biased one is near 1 for noise when there are fewer sentences than dimensions, which is the
    usual case; the debiased one is then about 0, and may be below.

    x, y (NDArray): `(n, E)` and `(n, F)`; row i of both is the same sentence.
    kernel (str): "linear", or "rbf" (the width by the median heuristic, for each side).
    debiased (bool): HSIC_1 instead of HSIC_0.
    RETURNS (float): 1 for the same arrangement. 0 where one side does not vary.
    RAISES (ValueError): Other lengths, fewer than 4 rows (debiased), or no such kernel.

    Source: Kornblith et al. 2019, section 3; Nguyen et al. 2021, eq. 3 (debiased).
    """
    return _ratio(*_kernel_pair(x, y, kernel), debiased)


def cka_kinds(
    x: NDArray, y: NDArray, kinds: Sequence[tuple[str, bool]] = KINDS
) -> dict[tuple[str, bool], float]:
    """RETURNS (Dict[Tuple[str, bool], float]): CKA by kernel and whether it is debiased; each
    kernel matrix is made once."""
    found: dict[tuple[str, bool], float] = {}
    for kernel in dict.fromkeys(kernel for kernel, _ in kinds):
        k, m = _kernel_pair(x, y, kernel)
        found |= {kind: _ratio(k, m, kind[1]) for kind in kinds if kind[0] == kernel}
    return {kind: found[kind] for kind in kinds}


def disjoint_batches(n: int, size: int) -> Iterator[slice]:
    """Cut n sentences into batches of nearly the same size that share none.

    n (int): Sentences.
    size (int): Target size of a batch. Debiased values hardly depend on it, biased ones do.
    YIELDS (slice): The batches, each of `size` or a few more, or of all n if there are fewer.
    """
    count = max(1, n // size)
    ends = [n * i // count for i in range(count + 1)]
    yield from (slice(a, b) for a, b in zip(ends, ends[1:], strict=False))


def shuffled_rows(n: int, seed: int) -> NDArray[numpy.int64]:
    """An order in which no sentence stays where it is: the control, in which nothing is a pair.

    n (int): Sentences.
    seed (int): Of the order.
    RETURNS (NDArray): `(n,)`; [0] for n = 1, where there is no such order.
    """
    order = numpy.random.default_rng(seed).permutation(n)
    shuffled = numpy.empty(n, dtype="int64")
    # Each takes the place of the next in a random ring.
    shuffled[order] = numpy.roll(order, 1)
    return shuffled


def _kernel_pair(x: NDArray, y: NDArray, kernel: str) -> tuple[NDArray, NDArray]:
    if kernel not in KERNELS:
        raise ValueError(
            f'kernel = "{kernel}": expected "linear" or "rbf". Fix: kernel = "linear".'
        )
    if len(x) != len(y):
        raise ValueError(
            f"CKA of {len(x)} and {len(y)} sentences: expected the same sentences on both sides. "
            "Fix: leave out those without a translation."
        )
    return KERNELS[kernel](x), KERNELS[kernel](y)


def _ratio(k: NDArray, m: NDArray, debiased: bool) -> float:
    hsic = hsic_unbiased if debiased else hsic_biased
    scale = hsic(k, k) * hsic(m, m)
    # Where nothing varies, rounding alone would decide.
    if not scale > 1e-300 or not math.isfinite(scale):
        return 0.0
    return hsic(k, m) / math.sqrt(scale)


Matrix = NDArray[numpy.float64]
Kernel = Callable[[NDArray], Matrix]


def linear_kernel(x: NDArray) -> Matrix:
    """x `(n, E)`. RETURNS: K = X X', `(n, n)`, of the centered columns: CKA does not see the mean,
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


def hsic_biased(k: NDArray, m: NDArray) -> float:
    """HSIC_0 = tr(K H M H), H = I - 11'/n, without the factor that CKA cancels.

    k, m (NDArray): `(n, n)`, symmetric.
    RETURNS (float): 0 or more.

    Source: Gretton et al. 2005; Kornblith et al. 2019, eq. 3.
    """
    return float((_centred(k) * _centred(m)).sum())


def hsic_unbiased(k: NDArray, m: NDArray) -> float:
    """HSIC_1: with zero diagonals,
    [tr(KM) + (1'K1)(1'M1) / ((n-1)(n-2)) - 2/(n-2) 1'KM1] / (n(n-3)).

    k, m (NDArray): `(n, n)`, symmetric; n is 4 or more.
    RETURNS (float): About 0, of either sign, for what is independent.
    RAISES (ValueError): Fewer than 4 rows.

    Source: Song et al. 2012, eq. 5.
    """
    n = len(k)
    if n < 4:
        raise ValueError(
            f"Debiased CKA of {n} sentences: expected 4 or more. Fix: larger batches, or more text."
        )
    k, m = k.copy(), m.copy()
    numpy.fill_diagonal(k, 0.0)
    numpy.fill_diagonal(m, 0.0)
    rows_k, rows_m = k.sum(axis=1), m.sum(axis=1)
    trace = (k * m).sum()
    product = rows_k.sum() * rows_m.sum() / ((n - 1) * (n - 2))
    cross = 2 / (n - 2) * (rows_k @ rows_m)
    return float((trace + product - cross) / (n * (n - 3)))


def _centred(k: NDArray) -> NDArray:
    return k - k.mean(axis=0) - k.mean(axis=1)[:, None] + k.mean()
