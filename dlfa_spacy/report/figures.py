"""Figures of a comparison, as SVG that takes on the colors of its page."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .comparison import Comparison
from .curves import Curves
from .variant import BASELINE, Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Drawn in this color, what is text or axis becomes `currentColor`: dark on light, light on dark.
INK = "#010203"
# Okabe and Ito's colors for any eye, those that show on white and on black; shapes tell them apart
# where color does not.
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def pyplot() -> Any:
    """RETURNS (Module): matplotlib's, drawing without a display."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def svg_of(figure: Figure, label: str) -> str:
    import matplotlib

    buffer = io.StringIO()
    # A fixed salt makes the same figure the same text, so that committed pages do not change.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dlfa"}):
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", metadata={"Date": None}
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids must be unique on a page with several figures.
    prefix = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{prefix}-", text)
    # The page's own font instead of the one that matplotlib measured with.
    text = re.sub(r'font: (\d+(?:\.\d+)?)px [^;"]*', r"font-size: \1px", text)
    size = re.search(r'<svg[^>]*?width="([\d.]+)pt"', text)
    natural = float(size[1]) * 4 / 3 if size else 600
    # Wider than a narrow screen it scrolls, so that its text stays readable.
    width = f"{natural:.0f}px;min-width:{min(natural, max(320, 0.8 * natural)):.0f}px"
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
    import numpy as np

    plt = pyplot()
    differences = [row for row in comparison.rows if row.baseline_by_language]
    rows = [row for row in differences or comparison.rows if not row.note]
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
    across, down = columns, [row.variant for row in rows]
    if len(columns) > 16:
        # Many languages would make cells too small to read: they go down the page.
        across, down, values = down, across, values.T
    figure, axes = plt.subplots(figsize=(1.6 + 0.52 * len(across), 0.6 + 0.42 * len(down)))
    # Cells as vectors: imshow would put a blurred bitmap into the page.
    axes.pcolormesh(
        np.arange(len(across) + 1) - 0.5,
        np.arange(len(down) + 1) - 0.5,
        values,
        cmap="RdBu" if differences else "viridis",
        vmin=-limit if differences else 0,
        vmax=limit if differences else 100,
    )
    axes.invert_yaxis()
    axes.set_xticks(range(len(across)), across, color=INK)
    axes.set_yticks(range(len(down)), down, color=INK)
    if across is not columns:
        axes.tick_params(axis="x", labelrotation=60)
        for label in axes.get_xticklabels():
            label.set_horizontalalignment("left")
            label.set_rotation_mode("anchor")
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
    svg = svg_of(figure, f"{comparison.metric} {comparison.setting.eval_data}: {what} by language")
    plt.close(figure)
    return svg


def dot_plot(comparison: Comparison) -> str:
    """Draw the mean over target languages of every run, so that the spread over seeds is seen.

    comparison (Comparison): The methods.
    RETURNS (str): SVG.
    """
    plt = pyplot()
    rows = [row for row in comparison.rows if not row.is_bound]
    figure, axes = plt.subplots(figsize=(6.4, 0.8 + 0.36 * len(rows)))
    for y, row in enumerate(rows):
        values = [100 * value for value in row.target_values]
        axes.plot(values, [y] * len(values), "o", color="#4c78a8", alpha=0.75, markersize=6)
        axes.plot([100 * row.targets.mean], [y], "|", color=INK, markersize=16)
    axes.set_yticks(range(len(rows)), [row.variant for row in rows], color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(colors=INK, length=3)
    axes.set_xlabel(
        "mean over target languages; one dot per seed, the bar is their mean", color=INK
    )
    axes.grid(axis="x", color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(INK)
    svg = svg_of(figure, f"{comparison.metric} {comparison.setting.eval_data}: mean by run")
    plt.close(figure)
    return svg


def layer_plot(comparison: Comparison) -> str:
    """Draw the targets' mean by the layer that DLFA fuses, one line per gate and norm, or by the
    single layer that is read.

    comparison (Comparison): The methods.
    RETURNS (str): SVG; empty if no method ran at two numbered layers.
    """
    lines: dict[str, dict[int, list[float]]] = {}
    for row in comparison.rows:
        method = Variant.parse(row.variant)
        if method.layer.isdigit() and method.has_family:
            lines.setdefault(method.family, {})[int(method.layer)] = row.target_values
    lines = {name: layers for name, layers in lines.items() if len(layers) > 1}
    if not lines:
        return ""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    for number, (name, layers) in enumerate(lines.items()):
        color, marker = style_of(number)
        xs = sorted(layers)
        means = [100 * sum(layers[x]) / len(layers[x]) for x in xs]
        axes.plot(xs, means, "-", marker=marker, color=color, label=name, markersize=6)
        for x in xs:
            values = [100 * value for value in layers[x]]
            axes.plot([x] * len(values), values, marker, color=color, alpha=0.3, markersize=4)
    for row in comparison.rows:
        if row.variant in ("last", "control"):
            style = "-" if row.variant == "last" else ":"
            mean = 100 * row.targets.mean
            axes.axhline(mean, color=INK, linewidth=1, linestyle=style, label=row.variant)
    axes.set_xticks(sorted({x for layers in lines.values() for x in layers}))
    plain_axes(axes, "lower layer that is fused with the last", "targets' mean")
    legend(axes)
    svg = svg_of(figure, f"{comparison.metric} {comparison.setting.eval_data}: score by layer")
    plt.close(figure)
    return svg


def curve_plot(made: Curves, regime: str) -> str:
    """Draw the targets' mean by the number of texts trained on, one line per method; one of the
    small multiples of a page, which share their axis of scores.

    made (Curves): All regimes.
    regime (str): The one to draw.
    RETURNS (str): SVG; empty if no method ran at two numbers of texts.
    """
    lines = made.lines(regime)
    if not lines:
        return ""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(4.6, 3.6))
    for number, (name, line) in enumerate(lines.items()):
        color, marker = style_of(number)
        xs = sorted(line)
        means = [100 * line[x].mean for x in xs]
        errors = [100 * (line[x].sd or 0.0) for x in xs]
        ink = INK if name == BASELINE else color
        style = "--" if number >= len(_COLORS) else "-"
        axes.errorbar(
            xs, means, errors, fmt=style, marker=marker, color=ink, label=name, markersize=5,
            elinewidth=1,
        )  # fmt: skip
    ticks = sorted({x for line in lines.values() for x in line})
    # A line may begin before any text.
    least = min(x for x in ticks if x)
    axes.set_xscale("log") if ticks[0] else axes.set_xscale("symlog", linthresh=least)
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{x:,}" for x in ticks])
    values = [100 * v.mean for x in made.regimes for line in made.lines(x).values()
              for v in line.values()]  # fmt: skip
    room = 0.06 * (max(values) - min(values)) + 0.5
    axes.set_ylim(min(values) - room, max(values) + room)
    plain_axes(axes, f"{made.axis} ({regime})", made.scale)
    legend(axes)
    svg = svg_of(figure, f"{made.title} {regime}: score by number of texts")
    plt.close(figure)
    return svg


def weights_plot(weights: Mapping[str, Sequence[Sequence[float]]], title: str) -> str:
    """Draw the weight that an aggregation gives to each layer.

    weights (Mapping[str, Sequence[Sequence[float]]]): By name of the line, weights by layer
        (0 is the embeddings), one row per run.
    title (str): What is shown, for readers who do not see it.
    RETURNS (str): SVG.
    """
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(6.4, 3.0))
    depth = 0
    for number, (name, rows) in enumerate(weights.items()):
        color, marker = style_of(number)
        layers = range(len(rows[0]))
        depth = max(depth, len(rows[0]))
        mean = [sum(row[layer] for row in rows) / len(rows) for layer in layers]
        axes.plot(layers, mean, "-", marker=marker, color=color, label=name, markersize=6)
        for row in rows:
            axes.plot(layers, row, "-", color=color, alpha=0.25, linewidth=0.8)
    axes.set_xticks(range(depth))
    axes.set_ylim(bottom=0)
    plain_axes(axes, "layer (0: embeddings)", "weight")
    legend(axes)
    svg = svg_of(figure, title)
    plt.close(figure)
    return svg


def style_of(number: int) -> tuple[str, str]:
    """RETURNS (Tuple[str, str]): Color and marker of a line."""
    return _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]


def legend(axes: Any) -> None:
    """Above the lines: on them it would hide some, beside them a narrow screen would cut it off."""
    place = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.3}
    axes.legend(frameon=False, labelcolor=INK, ncol=2, **place)


def plain_axes(axes: Any, x: str, y: str) -> None:
    axes.tick_params(colors=INK, length=3)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(axis="y", color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(INK)
