"""CKA: how similarly two sets of vectors arrange the same sentences."""

import math
from collections.abc import Iterator, Sequence

import numpy
from numpy.typing import NDArray

from .hsic import hsic_biased, hsic_unbiased
from .kernels import KERNELS

# The kinds of CKA that a table shows: kernel and whether it is debiased.
KINDS = [("linear", True), ("rbf", True), ("linear", False), ("rbf", False)]


def cka(x: NDArray, y: NDArray, kernel: str = "linear", debiased: bool = True) -> float:
    """CKA = HSIC(K, M) / sqrt(HSIC(K, K) HSIC(M, M)).

    The biased one is near 1 for noise when there are fewer sentences than dimensions, which is the
    ordinary case; the debiased one is about 0 then, and may be below.

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
    size (int): Wanted in a batch. Debiased values do not depend on it much, biased ones do.
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
