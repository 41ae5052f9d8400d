"""Which vectors find their translations: cosine and CSLS, in blocks, so that memory is bounded."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

BLOCK = 1024


@dataclass(frozen=True)
class Retrieval:
    """Shares of vectors whose nearest one on the other side is their translation.

    n (int): Pairs.
    cosine_forward, cosine_backward (float): By cosine, from x to y and from y to x.
    csls_forward, csls_backward (float): By CSLS.
    """

    n: int
    cosine_forward: float
    cosine_backward: float
    csls_forward: float
    csls_backward: float

    def row(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): Its columns in a table, x being foreign and y English."""
        return {
            "n": self.n,
            "cosine_to_en": self.cosine_forward,
            "cosine_from_en": self.cosine_backward,
            "csls_to_en": self.csls_forward,
            "csls_from_en": self.csls_backward,
        }


def retrieval(x: NDArray, y: NDArray, k: int = 10, block: int = BLOCK) -> Retrieval:
    """Find each vector's translation among all of the other side.

        CSLS(x, y) = 2 cos(x, y) - r_Y(x) - r_X(y)
        r_Y(x) = mean cosine of x to its k nearest in Y

    x, y (NDArray): `(n, E)`; row i of both is a pair.
    k (int): Neighbors of CSLS; all of them if there are fewer.
    block (int): Rows compared with the other side at once. Memory is block x n.
    RETURNS (Retrieval): Accuracies. The gold row counts if none is nearer; of equally near ones
        the first is taken, so a set of equal vectors gets 1/n and not 1.
    RAISES (ValueError): Other shapes, or no pairs.

    Source: Conneau et al. 2018 (Word translation without parallel data), section 2.3.
    """
    if x.shape != y.shape or x.ndim != 2 or not len(x):
        raise ValueError(
            f"Retrieval between vectors {x.shape} and {y.shape}: expected (n, E) twice, n of 1 or "
            "more. Fix: one row per pair on both sides."
        )
    if k < 1:
        raise ValueError(f"k = {k}: expected 1 neighbor or more. Fix: k = 10.")
    x, y = unit_rows(x), unit_rows(y)
    k = min(k, len(x))
    r_x = _mean_of_nearest(x, y, k, block)
    r_y = _mean_of_nearest(y, x, k, block)
    forward = _hits(x, y, r_y, block)
    backward = _hits(y, x, r_x, block)
    return Retrieval(len(x), forward[0], backward[0], forward[1], backward[1])


def unit_rows(x: NDArray) -> NDArray[numpy.float32]:
    """x `(n, E)`. RETURNS: Rows of length 1; zeros stay zeros."""
    x = numpy.asarray(x, dtype="float32")
    norms = numpy.linalg.norm(x, axis=1, keepdims=True)
    return x / numpy.maximum(norms, numpy.finfo("float32").tiny)


def _blocks(x: NDArray, y: NDArray, block: int) -> Iterator[tuple[int, NDArray]]:
    """YIELDS (Tuple[int, NDArray]): First row of a block, and its cosines `(b, n)`."""
    for start in range(0, len(x), block):
        yield start, x[start : start + block] @ y.T


def _mean_of_nearest(x: NDArray, y: NDArray, k: int, block: int) -> NDArray:
    """RETURNS (NDArray): `(n,)`, r_Y of each row of x."""
    parts = [
        numpy.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)
        for _, cosines in _blocks(x, y, block)
    ]
    return numpy.concatenate(parts)


def _hits(x: NDArray, y: NDArray, r_y: NDArray, block: int) -> tuple[float, float]:
    """RETURNS (Tuple[float, float]): Accuracy by cosine and by CSLS. r_Y(x) is the same for all
    candidates of a row, so it does not change which is first."""
    cosine = csls = 0
    for start, cosines in _blocks(x, y, block):
        gold = numpy.arange(start, start + len(cosines))
        cosine += int((cosines.argmax(axis=1) == gold).sum())
        csls += int(((2 * cosines - r_y).argmax(axis=1) == gold).sum())
    return cosine / len(x), csls / len(x)
