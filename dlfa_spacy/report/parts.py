"""What the page shows beside the tables of scores: layer weights, confusions, sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from ..evaluation.examples import read_examples, render
from ..evaluation.languages import NAME, base
from ..files.markdown import percent, points
from ..metrics.classification import NOTHING
from ..metrics.names import task_of
from .calibration_plots import reliability_plot, risk_plot
from .common_confusions import common_confusions
from .comparison import Comparison, Row
from .figures import weights_plot
from .scored_runs import Run


def layer_weight_figures(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Draw the layer weights of the runs, one figure per corpus and encoder.

    runs (Sequence[Run]): The runs.
    RETURNS (List[Dict[str, Any]]): `title` and `svg` of each figure.
    """
    lines: dict[tuple[str, str], dict[str, list[list[float]]]] = {}
    for run in runs:
        for component, weights in run.layer_weights.items():
            place = (run.setting.eval_data, run.setting.encoder or "encoder not stated")
            several = len(run.layer_weights) > 1
            name = f"{run.variant} ({component})" if several else run.variant
            lines.setdefault(place, {}).setdefault(name, []).append(list(weights))
    figures = []
    for (data, encoder), by_name in sorted(lines.items()):
        title = f"Weight of each layer: {data}, {encoder}"
        figures.append({"title": title, "svg": Markup(weights_plot(by_name, title))})
    return figures


def calibration_figures(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Draw how far confidences are from what is right, two figures per corpus and task.

    runs (Sequence[Run]): The runs.
    RETURNS (List[Dict[str, Any]]): `title` and `svg` of each figure.
    """
    found: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for run in runs:
        for code, tasks in run.calibration.items():
            for task, made in tasks.items():
                place = found.setdefault((run.setting.eval_data, task), {})
                place.setdefault(code, {})[run.name] = made
    figures = []
    for (data, task), languages in sorted(found.items()):
        for what, plot in (("reliability", reliability_plot), ("risk by coverage", risk_plot)):
            title = f"Confidence, {task} of {data}: {what}"
            figures.append({"title": title, "svg": Markup(plot(languages, title))})
    return figures


def confusion_tables(comparison: Comparison) -> list[dict[str, Any]]:
    """Lay out the confusions of a comparison.

    comparison (Comparison): The methods and languages.
    RETURNS (List[Dict[str, Any]]): By language: `language`, `methods`, and `rows` with `gold`,
        `predicted` and one cell per method (`text`, `share` from 0 to 1).
    """
    spoken = {"": "none", NOTHING: "nothing there"}
    tables = []
    for code, confusions in common_confusions(comparison).items():
        methods = list(confusions[0].shares)
        rows = [
            {
                "gold": spoken.get(c.gold, c.gold),
                "predicted": spoken.get(c.predicted, c.predicted),
                "cells": [_cell(c.shares.get(m), c.counts.get(m, 0.0)) for m in methods],
            }
            for c in confusions
        ]
        tables.append({"language": language_name(code), "methods": methods, "rows": rows})
    return tables


def _cell(share: float | None, count: float) -> dict[str, Any]:
    shown = f"{count:,.0f}" if count >= 10 or count == round(count) else f"{count:.1f}"
    text = shown if share is None else f"{percent(share, 0)} % ({shown})"
    return {"text": text, "share": round(share or 0.0, 3)}


def language_tables(comparison: Comparison) -> list[dict[str, Any]]:
    """Lay out the scores by language, and how far they are from those of the last layer.

    comparison (Comparison): The methods and languages.
    RETURNS (List[Dict[str, Any]]): The methods, then what they were made from, such as the layers
        one by one: `about`, `methods`, and `rows` with `code`, `name` and a cell per method
        (`score`, `best`, `difference`, its `kind`, and `share`, from 0 to 1 of the largest one).
    """
    methods = [row for row in comparison.rows if not row.note]
    parts = [row for row in comparison.rows if row.note]
    differences = [abs(d) for row in methods for d in (row.baseline_by_language or {}).values()]
    most = max([*differences, 1e-9])
    tables = [("Scores by language", methods), ("By language, layer by layer", parts)]
    return [
        {
            "about": about,
            "against": any(row.baseline_by_language for row in rows),
            "methods": [row.variant for row in rows],
            "rows": [
                {
                    "code": code,
                    "name": language_name(code),
                    "cells": [_score(row, code, best, most) for row in rows],
                }
                for code in comparison.languages
                for best in [_best(rows, code)]
            ],
        }
        for about, rows in tables
        if rows
    ]


def _best(rows: Sequence[Row], code: str) -> float | None:
    """RETURNS (Optional[float]): The highest score of several methods."""
    return max(row.languages[code].mean for row in rows) if len(rows) > 1 else None


def _score(row: Row, code: str, best: float | None, most: float) -> dict[str, Any]:
    score = row.languages[code].mean
    difference = (row.baseline_by_language or {}).get(code)
    cell: dict[str, Any] = {"score": percent(score), "best": score == best, "difference": ""}
    if difference is not None:
        kind = "more" if difference > 0 else "less"
        share = round(min(1.0, abs(difference) / most), 3)
        cell.update(difference=points(difference), kind=kind, share=share)
    return cell


def group_tables(comparison: Comparison) -> list[dict[str, Any]]:
    """Lay out the means over scripts and families.

    comparison (Comparison): The methods.
    RETURNS (List[Dict[str, Any]]): By way of grouping: `way`, `methods` and `rows` with `name`,
        `languages` and `cells`.
    """
    rows = [row for row in comparison.rows if not row.note]
    return [
        {
            "way": {"script": "By script", "family": "By family"}[way],
            "methods": [row.variant for row in rows],
            "rows": [
                {
                    "name": name,
                    "languages": " ".join(codes),
                    "cells": [percent(row.groups[way][name].mean) for row in rows],
                }
                for name, codes in groups.items()
            ],
        }
        for way, groups in comparison.groups.items()
        if way != "paper"
    ]


def sentences(comparison: Comparison) -> list[dict[str, Any]]:
    """Draw the texts that the evaluations kept, of the first run of each method.

    comparison (Comparison): The methods and languages.
    RETURNS (List[Dict[str, Any]]): By language: `language` and `texts`, each with `method` and
        `sides` (what it is, its HTML).
    """
    kept = {
        row.variant: read_examples(comparison.runs[row.variant][0].path.parent)
        for row in comparison.rows
        if not row.note and comparison.runs.get(row.variant)
    }
    shown = []
    for code in comparison.languages:
        texts = [
            {
                "method": variant,
                "sides": [(what, Markup(html)) for what, html in render(example, code)],
            }
            for variant, by_language in kept.items()
            for example in by_language.get(code, [])
            if example["task"] == task_of(comparison.metric)
        ]
        if texts:
            shown.append({"language": language_name(code), "texts": texts})
    return shown


def language_name(code: str) -> str:
    """RETURNS (str): "German (de)", or the code alone if it is not known."""
    name = NAME.get(base(code))
    return f"{name} ({code})" if name else code
