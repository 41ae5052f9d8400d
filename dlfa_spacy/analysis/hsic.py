"""The Hilbert-Schmidt independence criterion of two kernel matrices, biased and not."""

import numpy
from numpy.typing import NDArray


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
