"""The most frequent confusions, by language and method."""

from __future__ import annotations

from dataclasses import dataclass

from ..metrics.classification import NOTHING
from ..metrics.names import task_of
from .comparison import Comparison


@dataclass
class CommonConfusion:
    """One confusion of one language.

    gold (str): Gold label.
    predicted (str): Predicted label.
    shares (Dict[str, Optional[float]]): By method, how much of that gold label was predicted so,
        over all seeds; `None` for a spurious span, which has no gold label to be a share of.
    counts (Dict[str, float]): By method, how often, mean over seeds.
    """

    gold: str
    predicted: str
    shares: dict[str, float | None]
    counts: dict[str, float]


def common_confusions(comparison: Comparison, *, most: int = 6) -> dict[str, list[CommonConfusion]]:
    """Find the most frequent confusions of each language.

    comparison (Comparison): The methods and languages.
    most (int): Confusions per language.
    RETURNS (Dict[str, List[CommonConfusion]]): By language, the most frequent over all methods
        first; languages without any are left out.
    """
    task = task_of(comparison.metric)
    variants = [row.variant for row in comparison.rows if not row.note]
    found: dict[str, list[CommonConfusion]] = {}
    for code in comparison.languages:
        tables = {
            variant: [
                run.confusions[code][task]
                for run in comparison.runs.get(variant, [])
                if task in run.confusions.get(code, {})
            ]
            for variant in variants
        }
        tables = {variant: rows for variant, rows in tables.items() if rows}
        pairs: dict[tuple[str, str], dict[str, float]] = {}
        gold_counts: dict[tuple[str, str], int] = {}
        for variant, rows in tables.items():
            for table in rows:
                for gold, row in table.items():
                    total = gold_counts.get((variant, gold), 0) + sum(row.values())
                    gold_counts[(variant, gold)] = total
                    for predicted, count in row.items():
                        if gold != predicted:
                            cell = pairs.setdefault((gold, predicted), {})
                            cell[variant] = cell.get(variant, 0.0) + count / len(rows)
        ranked = sorted(pairs.items(), key=lambda item: (-sum(item[1].values()), item[0]))
        rows_of_language = [
            CommonConfusion(
                gold,
                predicted,
                {
                    variant: (
                        counts.get(variant, 0.0)
                        * len(tables[variant])
                        / gold_counts[(variant, gold)]
                        if gold != NOTHING and gold_counts.get((variant, gold))
                        else None
                    )
                    for variant in tables
                },
                {variant: counts.get(variant, 0.0) for variant in tables},
            )
            for (gold, predicted), counts in ranked[:most]
        ]
        if rows_of_language:
            found[code] = rows_of_language
    return found
