"""F1 of a classification in which several labels may hold at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .span_f1 import f1

THRESHOLDS = tuple(n / 10 for n in range(1, 10))


class MultiLabelF1:
    """Micro and macro F1 of independent yes-or-no labels, at several thresholds at once.

    A label holds if its score is at least the threshold, as in spaCy's scorer; a label that a gold
    Doc does not mention is unknown there and not counted. Equal to `sklearn.metrics.f1_score` over
    the indicator matrices. Constant memory: labels x thresholds counts.

    thresholds (Sequence[float]): The thresholds.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS) -> None:
        self.thresholds = tuple(dict.fromkeys(thresholds))
        self.labels: set[str] = set()
        self._gold: Counter[str] = Counter()
        self._predicted: Counter[tuple[float, str]] = Counter()
        self._correct: Counter[tuple[float, str]] = Counter()

    def add(self, gold: Mapping[str, float], predicted: Mapping[str, float]) -> None:
        """Count one text.

        gold (Mapping[str, float]): 1 or 0 for each label that is known.
        predicted (Mapping[str, float]): Score by label; 0 for those that are missing.
        """
        self.labels.update(gold)
        for label, value in gold.items():
            holds = value >= 0.5
            self._gold[label] += holds
            score = predicted.get(label, 0.0)
            for threshold in self.thresholds:
                if score >= threshold:
                    self._predicted[(threshold, label)] += 1
                    self._correct[(threshold, label)] += holds

    def micro_f1(self, threshold: float) -> float:
        """F1 over all decisions together.

        threshold (float): One of the thresholds.
        RETURNS (float): F1 from 0 to 1.
        """
        correct = sum(self._correct[(threshold, label)] for label in self.labels)
        predicted = sum(self._predicted[(threshold, label)] for label in self.labels)
        return f1(correct, predicted, self._gold.total())

    def macro_f1(self, threshold: float) -> float:
        """Unweighted mean of the labels' F1, over every label that a gold Doc mentions.

        threshold (float): One of the thresholds.
        RETURNS (float): F1 from 0 to 1; 0 if there are no labels.
        """
        scores = [
            f1(
                self._correct[(threshold, label)],
                self._predicted[(threshold, label)],
                self._gold[label],
            )
            for label in self.labels
        ]
        return sum(scores) / len(scores) if scores else 0.0

    def per_threshold(self) -> dict[str, dict[str, float]]:
        """Tell both scores at every threshold.

        RETURNS (Dict[str, Dict[str, float]]): `micro_f1` and `macro_f1` by threshold. They describe
            the curve; a threshold chosen on them is chosen on the test set.
        """
        return {
            f"{threshold:g}": {
                "micro_f1": self.micro_f1(threshold),
                "macro_f1": self.macro_f1(threshold),
            }
            for threshold in sorted(self.thresholds)
        }
