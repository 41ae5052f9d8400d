"""One self-contained HTML page of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from ..about import __version__
from .compare import Comparison, Row, Statistic
from .figures import dot_plot, heat_map
from .runs import Run
from .tables import percent


def _difference(value: Statistic | None) -> dict[str, str]:
    if value is None:
        return {"mean": "–", "sd": "", "kind": "noise"}
    kind = "noise" if value.within_noise else ("up" if value.mean > 0 else "down")
    mark = "≈ " if value.within_noise and value.n > 1 else ""
    sd = percent(value.sd) if value.sd is not None else ""
    return {"mean": f"{mark}{round(100 * value.mean, 1) + 0.0:+.1f}", "sd": sd, "kind": kind}


def _row(row: Row, comparison: Comparison, best: dict[str, float], best_mean: float) -> Any:
    several = len(comparison.rows) > 1
    return {
        "variant": row.variant,
        "seeds": row.targets.n,
        "cells": [
            {
                "mean": percent(row.languages[code].mean),
                "best": several and row.languages[code].mean == best[code],
            }
            for code in comparison.languages
        ],
        "targets": {
            "mean": percent(row.targets.mean),
            "sd": percent(row.targets.sd) if row.targets.sd is not None else "",
            "best": several and row.targets.mean == best_mean,
        },
        "gap": percent(row.gap.mean if row.gap else None),
        "to_baseline": _difference(row.to_baseline),
        "to_control": _difference(row.to_control),
    }


def _section(comparison: Comparison, figures: bool) -> dict[str, Any]:
    from markupsafe import Markup

    rows = comparison.rows
    best = {code: max(r.languages[code].mean for r in rows) for code in comparison.languages}
    best_mean = max(r.targets.mean for r in rows)
    setting = comparison.setting
    against = any(row.baseline_by_language for row in rows)
    # Figures for the metric that stands for its task: the others would only repeat the picture.
    draw = figures and comparison.is_main
    return {
        "title": comparison.title,
        "statements": comparison.statements(),
        "languages": comparison.languages,
        "source": setting.source,
        "rows": [_row(row, comparison, best, best_mean) for row in rows],
        # The SVG is ours, with every label escaped by matplotlib.
        "heat_map": Markup(heat_map(comparison)) if draw else "",
        "heat_map_caption": (
            "Difference to the last layer in percentage points: blue is better, red is worse."
            if against
            else "Scores by language."
        ),
        "dot_plot": Markup(dot_plot(comparison)) if draw and len(rows) > 1 else "",
    }


def to_html(
    comparisons: Sequence[Comparison], runs: Sequence[Run], *, title: str, figures: bool = True
) -> str:
    """Make the page.

    comparisons (Sequence[Comparison]): The tables.
    runs (Sequence[Run]): The runs they were made from, for the footer.
    title (str): Heading of the page.
    figures (bool): Whether to draw heat maps and dot plots (needs matplotlib).
    RETURNS (str): HTML without any reference to other files or hosts.
    """
    from jinja2 import Environment, StrictUndefined

    source = files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    methods = {row.variant for c in comparisons for row in c.rows}
    targets = {code for c in comparisons for code in c.languages if code != c.setting.source}
    sources = sorted({c.setting.source for c in comparisons})
    n_methods = f"{len(methods)} method{'s' if len(methods) != 1 else ''}"
    n_targets = f"{len(targets)} language{'s' if len(targets) != 1 else ''}"
    return environment.from_string(source).render(
        title=title,
        lead=f"Trained on {' and '.join(sources)}, tested without further training in "
        f"{n_targets}: {n_methods}, {len(runs)} runs.",
        comparisons=[_section(comparison, figures) for comparison in comparisons],
        version=__version__,
        n_runs=len(runs),
        run_names=", ".join(sorted({run.name for run in runs})),
    )
