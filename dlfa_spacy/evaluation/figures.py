"""Heat map and dot plot of a comparison, as SVG that takes on the colours of its page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from .compare import Comparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Drawn in this colour, what is text or axis becomes `currentColor`: dark on light, light on dark.
_INK = "#010203"


def _svg(figure: Figure, label: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    # A fixed salt makes the same figure the same text, so that committed pages do not change.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dlfa"}):
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids must be unique on a page with several figures.
    prefix = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{prefix}-", text)
    # The page's own font instead of the one that matplotlib measured with.
    text = re.sub(r'font: (\d+(?:\.\d+)?)px [^;"]*', r"font-size: \1px", text)
    size = re.search(r'<svg[^>]*?width="([\d.]+)pt"', text)
    width = f"{float(size[1]) * 4 / 3:.0f}px" if size else "100%"
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[\d.]+pt"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) (?:width|height)="[\d.]+pt"', r"\1", text, count=1)
    title = label.replace("&", "&amp;").replace("<", "&lt;")
    attributes = f'<svg role="img" aria-label="{title}" style="max-width:{width}"'
    return text.replace("<svg", attributes, 1)


def heat_map(comparison: Comparison) -> str:
    """Draw method by language: differences to the last layer, or scores if there is no such run.

    comparison (Comparison): The methods.
    RETURNS (str): SVG.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy as np

    differences = [row for row in comparison.rows if row.baseline_by_language]
    rows = differences or comparison.rows
    columns = comparison.languages
    values = np.array(
        [
            [
                100 * (row.baseline_by_language or {}).get(code, 0.0)
                if differences
                else 100 * row.languages[code].mean
                for code in columns
            ]
            for row in rows
        ]
    )
    limit = max(float(np.abs(values).max()), 0.1)
    figure, axes = plt.subplots(figsize=(1.6 + 0.52 * len(columns), 0.6 + 0.42 * len(rows)))
    # Cells as vectors: imshow would put a blurred bitmap into the page.
    axes.pcolormesh(
        np.arange(len(columns) + 1) - 0.5,
        np.arange(len(rows) + 1) - 0.5,
        values,
        cmap="RdBu" if differences else "viridis",
        vmin=-limit if differences else 0,
        vmax=limit if differences else 100,
    )
    axes.invert_yaxis()
    axes.set_xticks(range(len(columns)), columns, color=_INK)
    axes.set_yticks(range(len(rows)), [row.variant for row in rows], color=_INK)
    axes.tick_params(length=0, top=True, bottom=False, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (y, x), value in np.ndenumerate(values):
        share = value / limit if differences else value / 100
        dark = abs(share) > 0.55 if differences else share < 0.6
        shown = f"{round(value, 1) + 0.0:+.1f}" if differences else f"{value:.0f}"
        axes.text(
            x, y, shown, ha="center", va="center", fontsize=8, color="#fff" if dark else "#111"
        )
    what = "difference to the last layer" if differences else "score"
    svg = _svg(figure, f"{comparison.metric} {comparison.setting.eval_data}: {what} by language")
    plt.close(figure)
    return svg


def dot_plot(comparison: Comparison) -> str:
    """Draw the mean over target languages of every run, so that the spread over seeds is seen.

    comparison (Comparison): The methods.
    RETURNS (str): SVG.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = comparison.rows
    figure, axes = plt.subplots(figsize=(6.4, 0.8 + 0.36 * len(rows)))
    for y, row in enumerate(rows):
        values = [100 * value for value in row.target_values]
        axes.plot(values, [y] * len(values), "o", color="#4c78a8", alpha=0.75, markersize=6)
        axes.plot([100 * row.targets.mean], [y], "|", color=_INK, markersize=16)
    axes.set_yticks(range(len(rows)), [row.variant for row in rows], color=_INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(colors=_INK, length=3)
    axes.set_xlabel("mean over target languages; one dot a seed, the bar is their mean", color=_INK)
    axes.grid(axis="x", color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(_INK)
    svg = _svg(figure, f"{comparison.metric} {comparison.setting.eval_data}: mean by run")
    plt.close(figure)
    return svg
