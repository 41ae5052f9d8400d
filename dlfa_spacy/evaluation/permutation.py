"""Permutation tests: how often chance alone would give a difference as large as the one seen.

Two questions, two tests. Each is exact where all rearrangements can be gone through, otherwise
it draws from them with a fixed seed and counts the one observed among them, so that p is never 0
(Phipson and Smyth 2010, https://doi.org/10.2202/1544-6115.1585).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

# All rearrangements up to here, a draw of as many beyond.
MAX_EXACT = 1 << 14
# Sums that differ by rounding alone are ties.
_TIE = 1e-9


def sign_flip_test(differences: Any, *, draws: int = MAX_EXACT, seed: int = 0) -> float:
    """Test paired differences: without an effect, each is as likely to have the other sign.

    Over languages x seeds, a difference is one language of one seed. That takes them for
    independent, which the languages of one run are not quite: see `exchange_test`.

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


def exchange_test(ours: Any, theirs: Any, *, draws: int = MAX_EXACT, seed: int = 0) -> float:
    """Test whole runs: without an effect, any run could have been one of either method.

    A run is one number, its mean over languages, so it does not matter how its languages hang
    together. Runs are exchanged between methods, not only within a seed: five seeds have 252
    rearrangements like this and 32 as pairs, of which the most extreme two give p = 0.0625.

    ours (Floats): One value a run of one method.
    theirs (Floats): One value a run of the other.
    draws (int): Rearrangements at most.
    seed (int): Seed of the draw.
    RETURNS (float): Two-sided p of the difference of means, as `scipy.stats.permutation_test(...,
        permutation_type="independent")`, both tails counted by absolute value.
    """
    a, b = np.asarray(ours, dtype=float).ravel(), np.asarray(theirs, dtype=float).ravel()
    pool = np.concatenate([a, b])
    pool = pool - pool.mean()
    n = len(a)
    # The mean of the pool is 0, so that the sum of one side orders like the difference of means.
    observed = abs(pool[:n].sum())
    tie = _TIE * max(float(np.abs(pool).sum()), 1e-300)
    if comb(len(pool), n) <= draws:
        sums = pool[np.array(list(combinations(range(len(pool)), n)))].sum(axis=1)
        return float((np.abs(sums) >= observed - tie).mean())
    rng = np.random.default_rng(seed)
    sums = rng.permuted(np.tile(pool, (draws, 1)), axis=1)[:, :n].sum(axis=1)
    return (int((np.abs(sums) >= observed - tie).sum()) + 1) / (draws + 1)
