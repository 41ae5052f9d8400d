"""The paper's Table 1 beside what was measured here, never one metric beside another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from statistics import fmean
from typing import Any

from ..files.markdown import markdown_table, percent
from .comparison import Comparison

# Which of our metrics is the published one. POS accuracy is not: XTREME scores chunks.
_METRIC = {
    "ner": "ner_span_f1",
    "pos": "pos_chunk_f1_seqeval1",
    "xnli": "textcat_accuracy",
    "pawsx": "textcat_accuracy",
}
_CORPORA = {
    "ner": ("ner", "ner-wikiann", "panx", "wikiann"),
    "pos": ("pos", "udpos", "ud"),
    "xnli": ("xnli",),
    "pawsx": ("pawsx", "paws-x"),
}


@dataclass
class Beside:
    """The two halves of the table.

    header (List[str]): Column names: the model, then the tasks with metric.
    published (List[List[str]]): The paper's rows and others', with their source as last cell.
    ours (List[List[str]]): Rows of this report, with what was evaluated as last cell.
    notes (List[str]): Sources with their status, and what a reader must know.
    """

    header: list[str]
    published: list[list[str]]
    ours: list[list[str]]
    notes: list[str]


def published_figures() -> dict[str, Any]:
    """Read the copied figures.

    RETURNS (Dict[str, Any]): The content of `published.json`.
    """
    text = files(__package__).joinpath("published.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def beside_published(comparisons: Sequence[Comparison]) -> Beside | None:
    """Put our averages beside the published ones.

    comparisons (Sequence[Comparison]): What was measured.
    RETURNS (Optional[Beside]): The table; `None` if no comparison has one of the paper's tasks and
        its metric.
    """
    content = published_figures()
    tasks = content["tasks"]
    matched = {
        name: [c for c in comparisons if c.metric == metric and _is_corpus(c, name)]
        for name, metric in _METRIC.items()
    }
    if not any(matched.values()):
        return None
    sources = list(content["sources"])
    header = ["model"]
    header += [f"{task['name']}, {task['metric']}" for task in tasks.values()] + ["from"]
    published = [
        [
            row["model"],
            *(f"{row['values'][name]:.2f}" for name in tasks),
            f"[{sources.index(row['source']) + 1}]",
        ]
        for row in content["rows"]
    ]
    notes = [
        f"[{index}] {source['text']} ({source['status']})."
        for index, source in enumerate(content["sources"].values(), start=1)
    ]
    spread = "; ".join(
        f"{tasks[name]['name']} {row['mean']} ± {row['sd']} ({row['metric']})"
        for name, row in content["spread"]["rows"].items()
    )
    number = sources.index(content["spread"]["source"]) + 1
    notes.append(f"How much such an average varies over seeds alone: {spread} [{number}].")
    notes += content["remarks"]
    notes.append(
        "Ours are means over the languages of this report with English, which the published "
        "averages include too. Encoder, languages, training data and number of texts are others: "
        "compare differences between rows of one half, not values across."
    )
    return Beside(header, published, _ours(matched), notes)


def _is_corpus(comparison: Comparison, task: str) -> bool:
    setting = comparison.setting
    return setting.tokens == "gold" and setting.eval_data.lower() in _CORPORA[task]


def _ours(matched: dict[str, list[Comparison]]) -> list[list[str]]:
    found: dict[tuple[str, str], dict[str, str]] = {}
    languages: dict[tuple[str, str], dict[str, int]] = {}
    for task, comparisons in matched.items():
        for comparison in comparisons:
            for row in comparison.rows:
                if row.is_bound:
                    continue
                key = (row.variant, comparison.setting.encoder or "not stated")
                mean = fmean(row.languages[code].mean for code in comparison.languages)
                found.setdefault(key, {}).setdefault(task, percent(mean))
                languages.setdefault(key, {}).setdefault(task, len(comparison.languages))
    return [
        [
            variant,
            *(cells.get(task, "–") for task in matched_order()),
            f"{encoder}; languages: "
            + ", ".join(f"{n} {task}" for task, n in languages[(variant, encoder)].items()),
        ]
        for (variant, encoder), cells in found.items()
    ]


def matched_order() -> list[str]:
    """RETURNS (List[str]): The paper's tasks in the order of its Table 1."""
    return list(published_figures()["tasks"])


def beside_markdown(beside: Beside) -> str:
    """Make the Markdown of it.

    beside (Beside): The table.
    RETURNS (str): Two tables and the notes.
    """
    parts = [
        "**Beside the published figures**\n",
        markdown_table(["published", *beside.header[1:]], beside.published),
        markdown_table(["this report", *beside.header[1:]], beside.ours),
        "".join(f"* {note}\n" for note in beside.notes),
    ]
    return "\n".join(parts)
