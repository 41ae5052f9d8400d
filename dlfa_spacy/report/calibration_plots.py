"""Confidences against what is right, by language: reliability, and risk by coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .drawing import INK, WIDTH, in_page, legend, plain_axes, pyplot, style_of, svg_of

# Language -> run -> `Calibration.to_dict`.
Languages = Mapping[str, Mapping[str, Any]]
COLUMNS = 3
# Lines of one figure.
MOST = 12


def reliability_plot(languages: Languages, title: str) -> str:
    """Draw a reliability diagram for each language: what is on the diagonal is a probability.

    languages: What was counted.
    title (str): What is shown, for readers who do not see it.
    RETURNS (str): SVG.
    """
    plt = pyplot()
    rows = -(-len(languages) // COLUMNS)
    columns = min(COLUMNS, len(languages))
    figure, grid = plt.subplots(
        rows,
        columns,
        figsize=(WIDTH / COLUMNS * columns, 1.9 * rows),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for axes, (code, runs) in zip(grid.flat, languages.items(), strict=False):
        axes.plot([0, 100], [0, 100], color=INK, linewidth=0.6, linestyle=":")
        for number, (name, made) in enumerate(runs.items()):
            points = [(100 * sure, 100 * right) for n, sure, right in made["bins"] if n]
            axes.plot(*zip(*points, strict=True), label=name, markersize=3, linewidth=1,
                      **style_of(number))  # fmt: skip
        errors = " / ".join(f"{100 * made['ece']:.1f}" for made in runs.values())
        axes.set_title(f"{code}  ECE {errors}", color=INK, fontsize=9)
        plain_axes(axes, "", "")
    for axes in grid.flat[len(languages) :]:
        axes.set_visible(False)
    grid[0, 0].set_ylabel("right, percent", color=INK)
    grid[-1, 0].set_xlabel("confidence, percent", color=INK)
    figure.tight_layout()
    handles, names = grid[0, 0].get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(handles, names, frameon=False, labelcolor=INK, loc="lower left",
                      bbox_to_anchor=(0, 1.0), ncol=2)  # fmt: skip
    return in_page(svg_of(figure), title)


def risk_plot(languages: Languages, title: str) -> str:
    """Draw what is wrong among the most certain predictions, by how many are kept: a line for each
    language of the first run, those with most predictions if there are many.

    languages: What was counted.
    title (str): What is shown, for readers who do not see it.
    RETURNS (str): SVG.
    """
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(4.6, 3.6))
    first = {code: next(iter(runs.values())) for code, runs in languages.items()}
    chosen = sorted(first, key=lambda code: -first[code]["n"])[:MOST]
    for number, code in enumerate(code for code in first if code in chosen):
        risk = {float(share): 100 * value for share, value in first[code]["risk"].items()}
        shares = [100 * share for share in risk]
        axes.plot(shares, list(risk.values()), label=code, markersize=4, **style_of(number))
    axes.set_ylim(bottom=0)
    plain_axes(axes, "predictions kept, percent, the most certain first", "wrong, percent")
    legend(axes, columns=4)
    return in_page(svg_of(figure), title)
