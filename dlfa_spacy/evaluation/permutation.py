"""A permutation test: how often chance alone would give a difference as large as the one seen.

Exact where all rearrangements can be gone through. Otherwise it draws from them with a fixed seed
and counts the one observed among them, so that p is never 0 (Phipson and Smyth 2010,
https://doi.org/10.2202/1544-6115.1585).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

# All rearrangements up to here, a draw of as many beyond.
MAX_EXACT = 1 << 14
# Sums that differ by rounding alone are ties.
_TIE = 1e-9


def sign_flip_test(differences: Any, *, draws: int = MAX_EXACT, seed: int = 0) -> float:
    """Test paired differences: without an effect, each is as likely to have the other sign.

    Over languages x seeds, a difference is one language of one seed. That takes them for
    independent, which the languages of one run are not quite: see `welch.py`.

    differences (Floats): Paired differences, any shape, at least one.
    draws (int): Rearrangements at most: all of them if there are no more, else that many drawn.
    seed (int): Seed of the draw.
    RETURNS (float): Two-sided p of the mean, as `scipy.stats.permutation_test(...,
        permutation_type="samples")`.
    """
    values = np.asarray(differences, dtype=float).ravel()
    n = len(values)
    observed = abs(values.sum())
    tie = _TIE * max(float(np.abs(values).sum()), 1e-300)
    if n < 63 and 1 << n <= draws:
        signs = 1 - 2 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ values) >= observed - tie).mean())
    extreme = int((np.abs(_random_signs(n, draws, seed) @ values) >= observed - tie).sum())
    return (extreme + 1) / (draws + 1)


@lru_cache(maxsize=2)
def _random_signs(n: int, draws: int, seed: int) -> Any:
    """A report tests many methods on the same number of cells: drawn once."""
    return 1 - 2 * np.random.default_rng(seed).integers(0, 2, size=(draws, n), dtype=np.int8)
