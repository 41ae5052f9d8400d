"""The rotation that brings one set of vectors nearest to another, in closed form."""

import numpy
from numpy.typing import NDArray


def procrustes(x: NDArray, y: NDArray) -> NDArray[numpy.float64]:
    """W = U V', from the singular value decomposition Y'X = U S V'; rows are mapped as x W'.

    Computed in float64: the product of 10^4 vectors of float32 loses the small singular values.

    x, y (NDArray): `(n, E)`; row i of both is a pair.
    RETURNS (NDArray): `(E, E)`, orthogonal.
    RAISES (ValueError): Other shapes, or no rows.

    Source: Schoenemann 1966; Wang et al. 2019 (CLBT), section 3.
    """
    if x.shape != y.shape or x.ndim != 2 or not len(x):
        raise ValueError(
            f"Procrustes between {x.shape} and {y.shape}: expected (n, E) twice, n of 1 or more. "
            "Fix: one row a linked word on both sides."
        )
    u, _, v = numpy.linalg.svd(y.astype("float64").T @ x.astype("float64"))
    found: NDArray[numpy.float64] = u @ v
    return found
