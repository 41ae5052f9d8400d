"""Is a method better than another: the difference, its interval, its size, and two tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from .bootstrap import bootstrap_interval
from .tests import holm, sign_flip_test, welch_test

ALPHA = 0.05
Scores = Mapping[int, Mapping[str, float]]


@dataclass(frozen=True)
class Significance:
    """One method against another.

    difference (float): Mean over seeds and languages of the paired differences.
    low (float): Lower end of the bootstrap interval.
    high (float): Upper end.
    effect (Optional[float]): Hedges' g: the difference in standard deviations of the runs' means;
        `None` with fewer than two runs per method, or runs without any spread.
    p_cells (float): Sign-flip test over languages x seeds.
    p_runs (Optional[float]): Welch's t test over whole runs; `None` with fewer than two per method.
    n_seeds (int): Seeds that both methods have.
    n_languages (int): Languages.
    p_cells_holm (float): `p_cells` corrected for the family of methods tested together.
    p_runs_holm (Optional[float]): `p_runs`, likewise.
    n_tests (int): Size of that family.
    """

    difference: float
    low: float
    high: float
    effect: float | None
    p_cells: float
    p_runs: float | None
    n_seeds: int
    n_languages: int
    p_cells_holm: float = 1.0
    p_runs_holm: float | None = None
    n_tests: int = 1

    @property
    def p(self) -> float:
        """The larger of the two corrected p-values: a claim must pass both tests."""
        return 1.0 if self.p_runs_holm is None else max(self.p_cells_holm, self.p_runs_holm)

    @property
    def verdict(self) -> str:
        """`better`, `worse`, `these runs only` (the languages agree, the runs are too few or too
        different for a claim about the method) or `not significant`."""
        if self.p < ALPHA:
            return "better" if self.difference > 0 else "worse"
        return "these runs only" if self.p_cells_holm < ALPHA else "not significant"


def significance(ours: Scores, theirs: Scores, languages: Sequence[str]) -> Significance | None:
    """Compare one method with another, paired by seed and language.

    ours (Mapping[int, Mapping[str, float]]): Score by seed and language.
    theirs (Mapping[int, Mapping[str, float]]): The same of the other method.
    languages (Sequence[str]): The languages; every run has them.
    RETURNS (Optional[Significance]): Uncorrected; `None` if no seed is shared.
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds or not languages:
        return None
    a = np.array([[ours[seed][code] for code in languages] for seed in seeds])
    b = np.array([[theirs[seed][code] for code in languages] for seed in seeds])
    low, high = bootstrap_interval(a - b)
    several = len(seeds) > 1
    return Significance(
        difference=float((a - b).mean()),
        low=low,
        high=high,
        effect=hedges_g(a.mean(axis=1), b.mean(axis=1)) if several else None,
        p_cells=sign_flip_test(a - b),
        p_runs=welch_test(a.mean(axis=1), b.mean(axis=1)),
        n_seeds=len(seeds),
        n_languages=len(languages),
    )


def corrected(family: Mapping[str, Significance]) -> dict[str, Significance]:
    """Correct a family of comparisons by Holm's method, each of the two tests on its own.

    family (Mapping[str, Significance]): By method.
    RETURNS (Dict[str, Significance]): The same with corrected p-values.
    """
    names = list(family)
    cells = dict(zip(names, holm([family[name].p_cells for name in names]), strict=True))
    tested = [name for name in names if family[name].p_runs is not None]
    runs = dict(zip(tested, holm([family[name].p_runs or 0.0 for name in tested]), strict=True))
    return {
        name: replace(
            family[name],
            p_cells_holm=cells[name],
            p_runs_holm=runs.get(name),
            n_tests=len(names),
        )
        for name in names
    }


def hedges_g(ours: Any, theirs: Any) -> float | None:
    """Standardized difference of two methods' runs (Hedges 1981).

    ours (Floats1d): One value per run; at least two.
    theirs (Floats1d): The same of the other method.
    RETURNS (Optional[float]): Difference of means over the pooled standard deviation, corrected for
        few runs; `None` without any spread.
    """
    a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    freedom = len(a) + len(b) - 2
    pooled = sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / freedom)
    if pooled < 1e-12:
        return None
    return float((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * freedom - 1)))
