"""A model card written from measured runs alone."""

from __future__ import annotations

from collections.abc import Sequence

from ..files.markdown import markdown_table, percent
from ..metrics.names import METRICS
from .compare import BASELINE
from .comparison import Comparison, Row
from .scored_runs import Run


def model_card(comparisons: Sequence[Comparison], runs: Sequence[Run], *, title: str) -> str:
    """Make a model card: what was trained on what, how well it transfers, what it is not for.

    comparisons (Sequence[Comparison]): What was measured.
    runs (Sequence[Run]): The runs.
    title (str): Heading.
    RETURNS (str): Markdown.
    """
    main = [c for c in comparisons if c.is_main]
    encoders = sorted({c.setting.encoder or "not stated" for c in main})
    methods = list(dict.fromkeys(r.variant for c in main for r in c.rows if not r.note))
    sources = sorted({c.setting.source for c in main})
    parts = [
        f"# {title}: model card\n",
        "Every number on this page was measured by `dlfa evaluate` or `dlfa sweep` and put here by "
        "`dlfa report`.\n",
        "## What was trained\n",
        f"* Encoder: {', '.join(encoders)}\n* Methods: {', '.join(methods)}\n"
        f"* Source language: {', '.join(sources)}; no label of another language was used to train "
        f"or to choose\n* Runs: {len(runs)}\n",
        "## How well it transfers\n",
        *(_table(c) for c in main),
        "## Limits\n",
        "".join(f"* {sentence}\n" for sentence in _limits(main)),
    ]
    return "\n".join(parts)


def _table(comparison: Comparison) -> str:
    setting = comparison.setting
    rows = [row for row in comparison.rows if not row.note]
    header = ["language", *(row.variant for row in rows)]
    body = [[code, *(_cell(row, code) for row in rows)] for code in comparison.languages]
    mean = ["**targets' mean**", *(f"**{percent(row.targets.mean)}**" for row in rows)]
    return (
        f"**{comparison.title}** ({METRICS[comparison.metric]}). Training data: "
        f"{setting.train_data or 'not stated'}.\n\n"
        f"{markdown_table(header, [*body, mean])}\n"
        + (f"{comparison.in_short()}\n" if comparison.tested else "")
    )


def _cell(row: Row, code: str) -> str:
    value = row.languages[code]
    return percent(value.mean) + (f" ± {percent(value.sd)}" if value.sd is not None else "")


def _limits(main: Sequence[Comparison]) -> list[str]:
    lines = []
    for comparison in main:
        row = next((r for r in comparison.rows if r.variant == BASELINE), comparison.rows[0])
        targets = [code for code in comparison.languages if code != comparison.setting.source]
        worst = min(targets, key=lambda code: row.languages[code].mean)
        lines.append(
            f"{comparison.title}: lowest in {worst}, {percent(row.languages[worst].mean)} "
            f"({row.variant}). Languages that are not listed were not measured."
        )
    numbers = {row.targets.n for c in main for row in c.rows}
    if 1 in numbers:
        lines.append("Some methods have one seed: their order may be due to chance.")
    return lines
