"""Paired bootstrap: an interval for a mean difference."""

from __future__ import annotations

from typing import Any

import numpy as np


def bootstrap_interval(
    differences: Any, *, level: float = 0.95, draws: int = 5000, seed: int = 0
) -> tuple[float, float]:
    """Resample seeds and languages, both with replacement, and read off percentiles of the mean.

    Both are resampled as wholes: a seed drawn twice brings all its languages twice. What comes out
    is about other seeds *and* other languages like these. With five seeds a bootstrap
    is too narrow by about a tenth, because it has no more to draw from; it describes, and the tests
    decide.

    differences (Floats2d): Paired differences, `(seeds, languages)`.
    level (float): Nominal coverage.
    draws (int): Resamples.
    seed (int): Seed of the draw.
    RETURNS (Tuple[float, float]): Lower and upper end.
    """
    values = np.asarray(differences, dtype=float)
    n_seeds, n_languages = values.shape
    rng = np.random.default_rng(seed)
    seeds = _weights(rng, n_seeds, draws)
    languages = _weights(rng, n_languages, draws)
    means = ((seeds @ values) * languages).sum(axis=1)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _weights(rng: np.random.Generator, n: int, draws: int) -> Any:
    """RETURNS (Floats2d): How often each of n is drawn, as a share, `(draws, n)`."""
    return rng.multinomial(n, [1 / n] * n, size=draws) / n
