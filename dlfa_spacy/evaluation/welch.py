"""Welch's t test over whole runs, because all languages of a lucky run are lucky together."""

from __future__ import annotations

from typing import Any

import numpy as np


def welch_test(ours: Any, theirs: Any) -> float | None:
    """Test whether two methods have the same mean, one number a run.

    A run is its mean over languages, so it does not matter how its languages hang together. A
    permutation of whole runs could not decide: five seeds have 252 exchanges, and the smallest p of
    0.008 does not survive the correction for seven methods.

    ours (Floats1d): One value a run of one method.
    theirs (Floats1d): One value a run of the other.
    RETURNS (Optional[float]): Two-sided p of `scipy.stats.ttest_ind(..., equal_var=False)`; `None`
        with fewer than two runs a method, or runs without any spread.
    RAISES (ImportError): If scipy is not installed.
    """
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if min(len(a), len(b)) < 2 or a.std() + b.std() < 1e-12:
        return None
    try:
        from scipy.stats import ttest_ind
    except ImportError as error:
        raise ImportError(
            "scipy is not installed, and comparing several seeds needs it. Fix: pip install "
            "'dlfa_spacy[report]'."
        ) from error
    return float(ttest_ind(a, b, equal_var=False).pvalue)
