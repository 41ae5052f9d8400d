"""What options cost, as CSV, Markdown and rows for the screen."""

import csv
import io
from pathlib import Path

from ..evaluation.costs import Cost, Costs
from ..files.markdown import markdown_table
from ..files.writing import write_text
from ..metrics.names import SHORT

HEADER = ["", "MB", "of the original", "words/s", "times stock", "mean loss", "largest loss"]
NO_STOCK_HEADER = [
    "",
    "MB",
    "of the original",
    "words/s",
    "times original",
    "mean loss",
    "largest loss",
]


# What a deployed pipeline is to reach beside stock spaCy: times its words/s, points of mean
# zero-shot loss, part of its size.
FASTER, LOSS, SMALLER = 6.0, 0.5, 0.25


def goal(costs: Costs) -> str:
    """RETURNS (str): Which pipelines reach the goal, in a sentence; empty without a stock one."""
    stock = costs.stock
    if stock is None:
        return ""
    reached = {
        f"{FASTER:g} times stock's words/s": [
            row for row in costs.rows if row.words_per_second >= FASTER * stock.words_per_second
        ],
        f"{LOSS:g} points of mean loss at most": [
            row for row in costs.rows[1:] if costs.mean_loss(row) <= LOSS
        ],
        "a quarter of stock's size at most": [
            row for row in costs.rows if row.size <= SMALLER * stock.size
        ],
    }
    every = [row for row in costs.rows if all(row in rows for rows in reached.values())]
    lines = [
        f"- {words}: {', '.join(f'`{row.name}`' for row in found) or 'none'}"
        for words, found in reached.items()
    ]
    lines.append(f"- all three: {', '.join(f'`{row.name}`' for row in every) or 'none'}")
    return (
        "The goal of a deployed pipeline, and which pipelines reach it here:\n\n"
        + "\n".join(lines)
        + "\n"
    )


def header(costs: Costs) -> list[str]:
    """RETURNS (List[str]): Column names of `rows`."""
    return HEADER if costs.stock is not None else NO_STOCK_HEADER


def rows(costs: Costs) -> list[list[str]]:
    """RETURNS (List[List[str]]): One row per pipeline."""
    base = costs.stock or costs.rows[0]
    every = [*([costs.stock] if costs.stock else []), *costs.rows]
    return [_row(costs, row, base) for row in every]


def _row(costs: Costs, row: Cost, base: Cost) -> list[str]:
    cells = [
        row.name,
        f"{row.size / 1e6:.1f}",
        f"{100 * row.size / costs.rows[0].size:.0f} %",
        f"{row.words_per_second:,.0f}",
        f"{row.words_per_second / base.words_per_second:.2f}",
    ]
    if not row.scores or row is costs.rows[0]:
        return [*cells, "–", "–"]
    losses = [
        (loss, language, metric)
        for metric, by_language in costs.losses(row).items()
        for language, loss in by_language.items()
        if language != costs.source
    ]
    loss, language, metric = max(losses)
    return [
        *cells,
        f"{_zero(costs.mean_loss(row), 2)}",
        f"{_zero(loss, 1)} ({language}, {SHORT[metric]})",
    ]


def _zero(value: float, digits: int) -> str:
    # Adding 0.0 turns the -0.0 that rounding leaves into 0.0.
    return f"{round(value, digits) + 0.0:.{digits}f}"


def to_markdown(costs: Costs, command: str) -> str:
    """RETURNS (str): The tables, and how they were made."""
    measured = ", ".join(f"{key}: {value}" for key, value in costs.settings.items())
    parts = [
        "# What each option of `dlfa optimize` costs and gains\n",
        f"Made by\n\n```\n{command}\n```\n",
        f"{measured}. Losses are in points; the mean is over the target languages of each task, "
        "and over the tasks. Words/s: medians of interleaved rounds in one process.\n",
    ]
    if costs.stock is not None:
        parts.append(
            "Stock: the same encoder's weights in spacy-transformers' own component, last layer, "
            "with the same components and labels. What reads it is not trained, so it has speed "
            "and size, but no scores.\n"
        )
    parts += [markdown_table(header(costs), rows(costs)), goal(costs)]
    for metric, whole in costs.rows[0].scores.items():
        languages = sorted(whole, key=lambda x: (x != costs.source, x))
        table = [[costs.rows[0].name, *(f"{100 * whole[x]:.1f}" for x in languages)]]
        for row in costs.rows[1:]:
            losses = costs.losses(row)[metric]
            table.append([row.name, *(_zero(-losses[x], 1) for x in languages)])
        parts.append(
            f"## {SHORT[metric]} by language\n\nThe first row is the score, the others what is "
            "added to it.\n"
        )
        parts.append(markdown_table(["", *languages], table))
    return "\n".join(parts)


def to_csv(costs: Costs) -> str:
    """RETURNS (str): One line per pipeline, metric and language; one for the stock pipeline."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["pipeline", "bytes", "words_per_second", "metric", "language", "score", "points_lost"]
    )
    for row in [*([costs.stock] if costs.stock else []), *costs.rows]:
        start = [row.name, row.size, f"{row.words_per_second:.1f}"]
        if not row.scores:
            writer.writerow([*start, "", "", "", ""])
        losses = costs.losses(row)
        for metric, by_language in row.scores.items():
            for language, score in by_language.items():
                lost = losses[metric][language]
                writer.writerow([*start, metric, language, f"{score:.6f}", f"{lost:.4f}"])
    return out.getvalue()


def write_costs(costs: Costs, path: Path, command: str) -> list[Path]:
    """Write the table.

    path (Path): Without a suffix, or with one that is replaced: .csv and .md are written.
    command (str): What was typed.
    RETURNS (List[Path]): The files.
    """
    paths = [path.with_suffix(".csv"), path.with_suffix(".md")]
    for target, text in zip(paths, (to_csv(costs), to_markdown(costs, command)), strict=True):
        write_text(target, text)
    return paths
