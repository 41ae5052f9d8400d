"""Counts of gold and predicted labels, from which accuracy and macro F1 are read off."""

from __future__ import annotations

from collections import Counter

# Where there is no gold label, or no predicted one.
NOTHING = "–"


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

    def table(self) -> dict[str, dict[str, int]]:
        """Make plain data of it.

        RETURNS (Dict[str, Dict[str, int]]): Count by predicted label by gold label, sorted; pairs
            that never came up are left out.
        """
        rows: dict[str, dict[str, int]] = {}
        for (gold, predicted), count in sorted(self.counts.items()):
            rows.setdefault(gold, {})[predicted] = count
        return rows

    @property
    def labels(self) -> list[str]:
        """All labels seen as gold or predicted, sorted."""
        return sorted({label for pair in self.counts for label in pair})
