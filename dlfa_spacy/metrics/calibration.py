"""Whether a confidence is a probability: reliability, calibration error, risk by coverage."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy
from numpy.typing import ArrayLike, NDArray

# As Guo et al. 2017, *On Calibration of Modern Neural Networks*, section 2.
BINS = 15
# What a bin is counted in, so that risk by coverage is exact to this many steps of confidence.
_FINE = 100
COVERAGES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass
class Calibration:
    """Predictions with a confidence, counted in constant memory.

    counts: `(BINS * _FINE, 3)` predictions, sum of confidence, right ones, by confidence.
    """

    counts: NDArray[numpy.float64] = field(default_factory=lambda: numpy.zeros((BINS * _FINE, 3)))

    def add(self, confidence: ArrayLike, correct: ArrayLike) -> None:
        """Count predictions.

        confidence: `(n,)` from 0 to 1.
        correct: `(n,)` whether each is right.
        RAISES (ValueError): A confidence is no probability.
        """
        values = numpy.asarray(confidence, dtype="float64")
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                f"A confidence from {values.min()} to {values.max()}: expected 0 to 1. Fix: use "
                "the component dlfa_confidence."
            )
        fine = numpy.minimum((values * len(self.counts)).astype(int), len(self.counts) - 1)
        right = numpy.asarray(correct, dtype="float64")
        numpy.add.at(self.counts, fine, numpy.stack([numpy.ones_like(right), values, right], 1))

    @property
    def n(self) -> int:
        """Predictions."""
        return int(self.counts[:, 0].sum())

    @property
    def confidence(self) -> float:
        """The mean confidence."""
        return float(self.counts[:, 1].sum() / max(self.n, 1))

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return float(self.counts[:, 2].sum() / max(self.n, 1))

    def bins(self) -> NDArray[numpy.float64]:
        """RETURNS (Floats2d): `(BINS, 3)` predictions, mean confidence, share of right ones of each
        bin of equal width: a reliability diagram. 0 where there are none."""
        sums = self.counts.reshape(BINS, _FINE, 3).sum(1)
        sums[:, 1:] /= numpy.maximum(sums[:, :1], 1)
        return sums

    @property
    def error(self) -> float:
        """Expected calibration error: sum over bins of n_b / n * |accuracy_b - confidence_b| (Guo
        et al. 2017, equation 3)."""
        n, confidence, accuracy = self.bins().T
        return float((n * numpy.abs(accuracy - confidence)).sum() / max(self.n, 1))

    def risk(self) -> dict[float, float]:
        """RETURNS (Dict[float, float]): By share of the predictions that are kept, the most certain
        first, the share of these that is wrong. Of equals an even part is taken."""
        descending = self.counts[::-1]
        kept = numpy.concatenate([[0.0], numpy.cumsum(descending[:, 0])])
        right = numpy.concatenate([[0.0], numpy.cumsum(descending[:, 2])])
        return {
            share: 1.0 - float(numpy.interp(share * self.n, kept, right) / (share * self.n))
            for share in (COVERAGES if self.n else ())
        }

    def to_dict(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): Plain data."""
        return {
            "n": self.n,
            "confidence": self.confidence,
            "accuracy": self.accuracy,
            "ece": self.error,
            "bins": [[int(n), c, a] for n, c, a in self.bins().tolist()],
            "risk": {f"{share:g}": value for share, value in self.risk().items()},
        }
