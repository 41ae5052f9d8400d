"""Counts of gold and predicted labels, from which accuracy and macro F1 are read off."""

from __future__ import annotations

from collections import Counter


class Confusion:
    """How often each gold label was predicted as each label."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def add(self, gold: str, predicted: str) -> None:
        """Count one item.

        gold (str): Its gold label.
        predicted (str): Its predicted label.
        """
        self.counts[(gold, predicted)] += 1

    @property
    def labels(self) -> list[str]:
        """All labels seen as gold or predicted, sorted."""
        return sorted({label for pair in self.counts for label in pair})
