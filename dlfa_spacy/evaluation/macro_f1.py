"""Macro-averaged F1 of a classification."""

from __future__ import annotations

from .confusion import Confusion
from .span_f1 import f1


def macro_f1(confusion: Confusion) -> float:
    """Unweighted mean of each label's F1, as `sklearn.metrics.f1_score(average="macro")`.

    confusion (Confusion): The counts.
    RETURNS (float): Mean over all labels seen as gold or predicted; 0 if there are none.
    """
    scores: list[float] = []
    for label in confusion.labels:
        n_gold = sum(n for (gold, _), n in confusion.counts.items() if gold == label)
        n_predicted = sum(n for (_, pred), n in confusion.counts.items() if pred == label)
        scores.append(f1(confusion.counts[(label, label)], n_predicted, n_gold))
    return sum(scores) / len(scores) if scores else 0.0
