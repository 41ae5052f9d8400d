"""Accuracy of a classification."""

from __future__ import annotations

from .confusion import Confusion


def accuracy(confusion: Confusion) -> float:
    """Share of items with the right label, as `sklearn.metrics.accuracy_score`.

    confusion (Confusion): The counts.
    RETURNS (float): Accuracy from 0 to 1; 0 if there are no items.
    """
    total = confusion.counts.total()
    correct = sum(n for (gold, predicted), n in confusion.counts.items() if gold == predicted)
    return correct / total if total else 0.0
