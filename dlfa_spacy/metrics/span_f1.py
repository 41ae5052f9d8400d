"""Span F1 of named entities, as CoNLL-2003 and seqeval count it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

Span = tuple[int, int, str]


def f1(n_correct: int, n_predicted: int, n_gold: int) -> float:
    """Harmonic mean of precision and recall.

    n_correct (int): Items both predicted and gold.
    n_predicted (int): Items predicted.
    n_gold (int): Gold items.
    RETURNS (float): F1 from 0 to 1; 0 if there is nothing to find or nothing was found.
    """
    return 2 * n_correct / (n_predicted + n_gold) if n_predicted + n_gold else 0.0


class SpanF1:
    """Micro-averaged F1 over spans: begin, end and type must all be right.

    On valid IOB2 this is `seqeval.metrics.f1_score` in its default mode, exactly (the
    tests compare them). Constant memory: spans are counted and forgotten.
    """

    def __init__(self) -> None:
        self.correct: Counter[str] = Counter()
        self.predicted: Counter[str] = Counter()
        self.gold: Counter[str] = Counter()

    def add(self, gold: Iterable[Span], predicted: Iterable[Span]) -> None:
        """Count the spans of one text.

        gold (Iterable[Tuple[int, int, str]]): Begin, end and type, in any one unit (characters
            or tokens).
        predicted (Iterable[Tuple[int, int, str]]): The same of the prediction.
        """
        gold_set, predicted_set = set(gold), set(predicted)
        self.gold.update(label for _, _, label in gold_set)
        self.predicted.update(label for _, _, label in predicted_set)
        self.correct.update(label for _, _, label in gold_set & predicted_set)

    @property
    def precision(self) -> float:
        """Share of predicted spans that are right; 0 if none was predicted."""
        return self.correct.total() / self.predicted.total() if self.predicted.total() else 0.0

    @property
    def recall(self) -> float:
        """Share of gold spans that were found; 0 if there are none."""
        return self.correct.total() / self.gold.total() if self.gold.total() else 0.0

    @property
    def f1(self) -> float:
        """Micro-averaged F1."""
        return f1(self.correct.total(), self.predicted.total(), self.gold.total())

    def per_type(self) -> dict[str, float]:
        """F1 of each entity type, as in seqeval's classification report.

        RETURNS (Dict[str, float]): F1 by type, for all types seen.
        """
        types = sorted(self.gold.keys() | self.predicted.keys())
        return {t: f1(self.correct[t], self.predicted[t], self.gold[t]) for t in types}
