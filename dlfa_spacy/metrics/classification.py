"""Classification: counts of gold and predicted labels, with accuracy and macro F1."""

from __future__ import annotations

from collections import Counter

from .span_f1 import f1

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


def accuracy(confusion: Confusion) -> float:
    """Share of items with the right label, as `sklearn.metrics.accuracy_score`.

    confusion (Confusion): The counts.
    RETURNS (float): Accuracy from 0 to 1; 0 if there are no items.
    """
    total = confusion.counts.total()
    correct = sum(n for (gold, predicted), n in confusion.counts.items() if gold == predicted)
    return correct / total if total else 0.0


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
