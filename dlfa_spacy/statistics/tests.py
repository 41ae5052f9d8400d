"""Tests of a difference, and Holm's correction where there are several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..checks import check_installed

# All rearrangements up to here, a draw of as many beyond.
MAX_EXACT = 1 << 14
# Sums that differ by rounding alone are ties.
_TIE = 1e-9


def sign_flip_test(differences: Any, *, draws: int = MAX_EXACT, seed: int = 0) -> float:
    """Test paired differences: without an effect, each is as likely to have the other sign.

    Exact where all rearrangements can be gone through. Otherwise it draws from them with a fixed
    seed and counts the one observed among them, so that p is never 0 (Phipson and Smyth 2010,
    https://doi.org/10.2202/1544-6115.1585).

    Over languages x seeds, a difference is one language of one seed. That takes them for
    independent, which the languages of one run are not quite: see `welch_test`.

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


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false claim among them stays below alpha.

    The smallest is multiplied by their number, the next by one less, and so on; none becomes
    smaller than the one before it (Holm 1979). Valid whatever the tests have to do with each other.

    p_values (Sequence[float]): The p-values of one family of tests.
    RETURNS (List[float]): Adjusted, at most 1, in the order given.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def welch_test(ours: Any, theirs: Any) -> float | None:
    """Test whether two methods have the same mean, one number per run.

    A run is its mean over languages, so it does not matter how its languages hang together. A
    permutation of whole runs could not decide: five seeds have 252 exchanges, and the smallest p of
    0.008 does not survive the correction for seven methods.

    ours (Floats1d): One value per run of one method.
    theirs (Floats1d): One value per run of the other.
    RETURNS (Optional[float]): Two-sided p of `scipy.stats.ttest_ind(..., equal_var=False)`; `None`
        with fewer than two runs per method, or runs without any spread.
    RAISES (ImportError): If scipy is not installed.
    """
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if min(len(a), len(b)) < 2 or a.std() + b.std() < 1e-12:
        return None
    check_installed("scipy", "report", "Comparing several seeds")
    from scipy.stats import ttest_ind

    return float(ttest_ind(a, b, equal_var=False).pvalue)
