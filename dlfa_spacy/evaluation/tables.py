"""Scores as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from ..files.markdown import markdown_table, percent
from ..metrics.names import METRICS, SHORT, task_of
from .results import Evaluation

# Which metrics a table shows; the others are in the JSON and CSV files.
TABLE_METRICS = tuple(
    metric
    for metric in METRICS
    if metric not in ("ner_span_precision", "ner_span_recall", "pos_chunk_f1_seqeval0")
)


CALIBRATION_NOTE = (
    "ECE: expected calibration error, 15 bins (Guo et al. 2017). The last column keeps the most "
    "certain eighty percent of the predictions."
)


def score_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Lay out an evaluation as a table.

    evaluation (Evaluation): The scores.
    RETURNS (Tuple[List[str], List[List[str]], List[List[str]]]): Header, one row per language
        (source first), and the rows below the line: mean of the targets and gap.
    """
    metrics = [metric for metric in evaluation.metrics if metric in TABLE_METRICS]
    header = ["language", "split", "texts", "tokens", *(SHORT[m] for m in metrics), "words/s"]
    source = evaluation.settings["source"]
    rows = [
        [
            result.language,
            result.split,
            f"{result.n_docs:,}",
            f"{result.n_tokens:,}",
            *(percent(result.scores.get(metric)) for metric in metrics),
            f"{result.words_per_second:,.0f}",
        ]
        for result in sorted(evaluation.languages, key=lambda r: r.language != source)
    ]
    summaries = [evaluation.summary(metric) for metric in metrics]
    n_targets = max((summary.n_targets for summary in summaries), default=0)
    footer = [
        [
            f"mean of {n_targets} targets",
            *[""] * 3,
            *(percent(s.targets_mean) for s in summaries),
            "",
        ],
        [f"gap to {source}", *[""] * 3, *(percent(s.gap) for s in summaries), ""],
    ]
    return header, rows, footer


def calibration_rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """Lay out how far confidences are from what is right.

    evaluation (Evaluation): The scores.
    RETURNS (Tuple[List[str], List[List[str]]]): Header, and a row for each task and language, the
        source first; without rows if nobody asked.
    """
    header = ["task", "language", "predictions", "confidence", "right", "ECE", "right in 80 %"]
    source = evaluation.settings["source"]
    results = sorted(evaluation.languages, key=lambda r: r.language != source)
    rows = [
        [
            task,
            result.language,
            f"{found['n']:,}",
            percent(found["confidence"]),
            percent(found["accuracy"]),
            percent(found["ece"]),
            percent(1 - found["risk"]["0.8"]),
        ]
        for task in ("ner", "pos", "textcat")
        for result in results
        if (found := result.calibration.get(task))
    ]
    return header, rows


def to_markdown(evaluation: Evaluation) -> str:
    """Make scores.md.

    evaluation (Evaluation): The scores.
    RETURNS (str): Markdown.
    """
    header, rows, footer = score_rows(evaluation)
    run, model = evaluation.run, evaluation.model
    facts = [
        f"Method: {run['variant']}",
        f"training seed: {run['seed'] if run['seed'] is not None else 'not stated'}",
        f"training data: {run['train_data'] or 'not stated'}",
        f"evaluation data: {run['eval_data']}",
        f"encoder: {model['encoder'] or 'not stated'}",
    ]
    bold = [[f"**{cell}**" if cell else "" for cell in row] for row in footer]
    parts = [
        f"# Scores of {run['name']}\n",
        "; ".join(facts) + ".\n",
        markdown_table(header, rows + bold),
        "All scores are percentages. " + " ".join(evaluation.statements()) + "\n",
        "".join(f"* {SHORT[m]}: {METRICS[m]}\n" for m in evaluation.metrics if m in TABLE_METRICS),
    ]
    header, rows = calibration_rows(evaluation)
    if rows:
        parts += ["## Confidence\n", markdown_table(header, rows), CALIBRATION_NOTE + "\n"]
    for result in evaluation.languages:
        table = result.confusions.get("textcat", {})
        if table:
            parts += [f"## Confusions in {result.language}\n", confusion_markdown(table)]
    return "\n".join(parts)


def confusion_markdown(table: Mapping[str, Mapping[str, int]]) -> str:
    """Make a confusion matrix.

    table (Mapping[str, Mapping[str, int]]): Count by predicted label by gold label.
    RETURNS (str): A Markdown table: one row per gold label, one column per predicted one.
    """
    labels = sorted({*table, *(label for row in table.values() for label in row)})
    rows = [
        [gold, *(f"{table.get(gold, {}).get(label, 0):,}" for label in labels)] for gold in labels
    ]
    return markdown_table(["gold \\ predicted", *(label or "none" for label in labels)], rows)


CSV_COLUMNS = (
    "run",
    "task",
    "aggregator",
    "seed",
    "language",
    "split",
    "tokens",
    "metric",
    "value",
)


def to_csv(evaluation: Evaluation) -> str:
    """Make scores.csv: one line per language and metric, values from 0 to 1.

    evaluation (Evaluation): The scores.
    RETURNS (str): CSV with the columns of `CSV_COLUMNS`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    run = evaluation.run
    for result in evaluation.languages:
        for metric, value in result.scores.items():
            writer.writerow(
                [
                    run["name"],
                    task_of(metric),
                    run["variant"],
                    "" if run["seed"] is None else run["seed"],
                    result.language,
                    result.split,
                    evaluation.settings["tokens"],
                    metric,
                    repr(float(value)),
                ]
            )
    return buffer.getvalue()
