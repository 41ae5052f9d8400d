"""One self-contained HTML page of comparisons."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from ..about import __version__
from ..files.markdown import percent, points
from ..statistics.significance import Significance
from .comparison import Comparison, Row, Statistic
from .curves import Column, Curves
from .figures import curve_plot, dot_plot, layer_plot
from .parts import (
    calibration_figures,
    confusion_tables,
    group_tables,
    language_tables,
    layer_weight_figures,
    sentences,
)
from .published import beside_published
from .scored_runs import Run

_KINDS = {"better": "up", "worse": "down"}


def _difference(value: Statistic | None) -> dict[str, str]:
    if value is None:
        return {"mean": "–", "sd": "", "kind": "noise"}
    kind = "noise" if value.within_noise else ("up" if value.mean > 0 else "down")
    mark = "≈ " if value.within_noise and value.n > 1 else ""
    sd = percent(value.sd) if value.sd is not None else ""
    return {"mean": f"{mark}{points(value.mean)}", "sd": sd, "kind": kind}


def _row(row: Row, comparison: Comparison, best_mean: float) -> Any:
    several = len(comparison.rows) > 1 and not row.is_bound
    return {
        "variant": row.variant,
        "note": row.note,
        "bound": row.is_bound,
        "seeds": row.targets.n,
        "targets": {
            "mean": percent(row.targets.mean),
            "sd": percent(row.targets.sd) if row.targets.sd is not None else "",
            "best": several and row.targets.mean == best_mean,
        },
        "gap": percent(row.gap.mean if row.gap else None),
        "groups": [percent(value.mean) for value in row.groups.get("paper", {}).values()],
        "to_baseline": _difference(row.to_baseline),
        "to_control": _difference(row.to_control),
    }


def _test(result: Significance | None) -> dict[str, str]:
    if result is None:
        return dict.fromkeys(("difference", "interval", "effect", "cells", "runs", "verdict"), "–")
    return {
        "difference": points(result.difference),
        "interval": f"{points(result.low)} to {points(result.high)}",
        "effect": "–" if result.effect is None else f"{result.effect:+.1f}",
        "cells": p_value(result.p_cells_holm),
        "runs": "–" if result.p_runs_holm is None else p_value(result.p_runs_holm),
        "verdict": result.verdict,
        "kind": _KINDS.get(result.verdict, "noise"),
    }


def p_value(p: float) -> str:
    """Show a p-value.

    p (float): It.
    RETURNS (str): Two decimals, three below 0.1, and a bound below 0.001.
    """
    return "< 0.001" if p < 0.001 else (f"{p:.3f}" if p < 0.1 else f"{p:.2f}")


def _tests(comparison: Comparison) -> list[dict[str, Any]]:
    tables = [
        (
            "Against the last layer",
            [(row.variant, row.against_baseline) for row in comparison.rows],
        ),
        ("Against the control", [(row.variant, row.against_control) for row in comparison.rows]),
    ]
    return [
        {
            "title": title,
            "rows": [
                {"variant": variant, **_test(result)}
                for variant, result in rows
                if result is not None
            ],
        }
        for title, rows in tables
        if any(result is not None and result.n_seeds > 1 for _, result in rows)
    ]


def _section(comparison: Comparison, figures: bool, with_sentences: bool) -> dict[str, Any]:
    rows = comparison.rows
    results = [row for row in rows if not row.is_bound]
    best_mean = max(r.targets.mean for r in results)
    setting = comparison.setting
    # Figures for the metric that stands for its task: the others would only repeat the picture.
    draw = figures and comparison.is_main
    paper = comparison.groups.get("paper", {})
    return {
        "title": comparison.title,
        "main": comparison.is_main,
        "in_short": comparison.in_short(),
        "statements": comparison.statements(),
        "languages": language_tables(comparison),
        "source": setting.source,
        "paper_groups": [
            {"name": name, "languages": ", ".join(codes)} for name, codes in paper.items()
        ],
        "rows": [_row(row, comparison, best_mean) for row in rows],
        "tests": _tests(comparison),
        "groups": group_tables(comparison) if comparison.is_main else [],
        "confusions": confusion_tables(comparison) if comparison.is_main else [],
        "sentences": (sentences(comparison) if with_sentences and comparison.is_main else []),
        # The SVG is ours, with every label escaped by matplotlib.
        "dot_plot": Markup(dot_plot(comparison)) if draw and len(rows) > 1 else "",
        "layer_plot": Markup(layer_plot(comparison)) if draw else "",
    }


def _curves(made: Curves, figures: bool) -> dict[str, Any]:
    best = made.best

    def cell(name: str, column: Column) -> dict[str, Any]:
        value = made.rows[name].get(column)
        sd = percent(value.sd) if value and value.sd is not None else ""
        mean = percent(value.mean if value else None)
        return {"mean": mean, "sd": sd, "best": best.get(column) == name}

    columns = [{"name": c.regime, "what": f"{c.texts:,} texts"} for c in made.columns]
    rows = [
        {"name": name, "what": "", "cells": [cell(name, column) for column in made.columns]}
        for name in made.rows
    ]
    corner = "method"
    if made.regimes_are_rows:
        (row,) = rows
        rows = [{**c, "cells": [x]} for c, x in zip(columns, row["cells"], strict=True)]
        columns, corner = [{"name": str(row["name"]), "what": ""}], "regime"
    return {
        "title": made.heading,
        "note": made.note.replace("bold", "in bold"),
        "corner": corner,
        "columns": columns,
        "rows": rows,
        "figures": [
            Markup(svg) for regime in made.regimes if figures and (svg := curve_plot(made, regime))
        ],
    }


def _contents(comparisons: Sequence[Comparison]) -> dict[str, list[tuple[int, str]]]:
    """RETURNS (Dict[str, List[Tuple[int, str]]]): Metric -> number and name of each table."""
    found: dict[str, list[tuple[int, str]]] = {}
    for number, comparison in enumerate(comparisons, 1):
        found.setdefault(comparison.metric_name, []).append((number, comparison.scored))
    return found


def to_html(
    comparisons: Sequence[Comparison],
    runs: Sequence[Run],
    lines: Sequence[Curves] = (),
    *,
    title: str,
    figures: bool = True,
    with_sentences: bool = False,
) -> str:
    """Make the page.

    comparisons (Sequence[Comparison]): The tables.
    runs (Sequence[Run]): The runs they were made from, for the footer.
    lines (Sequence[Curves]): The curves, which come first.
    title (str): Heading of the page.
    figures (bool): Whether to draw figures (needs matplotlib).
    with_sentences (bool): Whether to show the texts that `dlfa evaluate --examples` kept.
    RETURNS (str): HTML without any reference to other files or hosts.
    """
    from jinja2 import Environment, StrictUndefined

    source = files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    methods = {row.variant for c in comparisons for row in c.rows if not row.note}
    targets = {code for c in comparisons for code in c.languages if code != c.setting.source}
    sources = sorted({c.setting.source for c in comparisons})
    n_methods = f"{len(methods)} method{'s' if len(methods) != 1 else ''}"
    n_targets = f"{len(targets)} language{'s' if len(targets) != 1 else ''}"
    names = sorted({run.name for run in runs})
    return environment.from_string(source).render(
        title=title,
        lead=f"Trained on {' and '.join(sources)}, tested without further training in "
        f"{n_targets}: {n_methods}, {len(runs)} runs."
        if comparisons
        else "A pipeline trained further on texts of one language, again and again.",
        curves=[_curves(made, figures) for made in lines],
        contents=_contents(comparisons),
        comparisons=[_section(c, figures, with_sentences) for c in comparisons],
        beside=beside_published(comparisons),
        layer_weights=layer_weight_figures(runs) if figures else [],
        calibration=calibration_figures(runs) if figures else [],
        version=__version__,
        n_runs=len(runs),
        run_names=", ".join(names[:20]) + (", …" if len(names) > 20 else ""),
    )
