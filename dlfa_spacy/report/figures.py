"""Figures of a comparison, as SVG that takes on the colors of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .comparison import Comparison
from .curves import Curves
from .drawing import (
    COLORS,
    INK,
    WIDTH,
    in_page,
    legend,
    plain_axes,
    pyplot,
    rows_of_text,
    style_of,
    svg_of,
)
from .variant import BASELINE, Variant


def dot_plot(comparison: Comparison) -> str:
    """Draw the mean over target languages of every run, so that the spread over seeds is seen.

    comparison (Comparison): The methods.
    RETURNS (str): SVG.
    """
    plt = pyplot()
    rows = [row for row in comparison.rows if not row.is_bound]
    figure, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.46 * len(rows)))
    for y, row in enumerate(rows):
        values = [100 * value for value in row.target_values]
        axes.plot(values, [y] * len(values), "o", color=COLORS[0], alpha=0.75, markersize=6)
        axes.plot([100 * row.targets.mean], [y], "|", color=INK, markersize=12)
    plain_axes(axes, "targets' mean; one dot per seed, the bar is their mean", "", grid="x")
    rows_of_text(axes, [row.variant for row in rows])
    label = f"{comparison.metric} {comparison.setting.eval_data}: mean by run"
    return in_page(svg_of(figure), label)


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
    figure, axes = plt.subplots(figsize=(WIDTH, 3.4))
    for number, (name, layers) in enumerate(lines.items()):
        style = style_of(number)
        xs = sorted(layers)
        means = [100 * sum(layers[x]) / len(layers[x]) for x in xs]
        axes.plot(xs, means, label=name, markersize=6, **style)
        for x in xs:
            values = [100 * value for value in layers[x]]
            axes.plot([x] * len(values), values, style["marker"], color=style["color"], alpha=0.3,
                      markersize=4)  # fmt: skip
    for row in comparison.rows:
        if row.variant in ("last", "control"):
            dashes = "-" if row.variant == "last" else ":"
            mean = 100 * row.targets.mean
            axes.axhline(mean, color=INK, linewidth=1, linestyle=dashes, label=row.variant)
    axes.set_xticks(sorted({x for layers in lines.values() for x in layers}))
    plain_axes(axes, "layer that the method names", "targets' mean")
    legend(axes)
    label = f"{comparison.metric} {comparison.setting.eval_data}: score by layer"
    return in_page(svg_of(figure), label)


def span(made: Curves) -> tuple[float, float]:
    """RETURNS (Tuple[float, float]): The least and the greatest score of all curves in percent,
    their deviations included."""
    lines = [line for regime in made.regimes for line in made.lines(regime).values()]
    found = [(v.mean, v.sd or 0.0) for line in lines for v in line.values()]
    return 100 * min(m - sd for m, sd in found), 100 * max(m + sd for m, sd in found)


def curve_plot(made: Curves, regime: str) -> str:
    """Draw the targets' mean by the number of texts trained on, one line per method; one of the
    small multiples of a page, which share their axis of scores, and a method's color.

    made (Curves): All regimes.
    regime (str): The one to draw.
    RETURNS (str): SVG; empty if no method ran at two numbers of texts.
    """
    lines = made.lines(regime)
    if not lines:
        return ""
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(4.6, 3.6))
    drawn = made.drawn
    for name, line in lines.items():
        style = style_of(drawn.index(name))
        if name == BASELINE:
            style["color"] = INK
        xs = sorted(line)
        means = [100 * line[x].mean for x in xs]
        errors = [100 * (line[x].sd or 0.0) for x in xs]
        axes.errorbar(xs, means, errors, label=name, markersize=5, elinewidth=1, **style)
    ticks = sorted({x for line in lines.values() for x in line})
    # A line may begin before any text.
    least = min(x for x in ticks if x)
    axes.set_xscale("log") if ticks[0] else axes.set_xscale("symlog", linthresh=least)
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{x:,}" for x in ticks])
    low, high = span(made)
    room = 0.06 * (high - low) + 0.5
    axes.set_ylim(low - room, high + room)
    plain_axes(axes, f"{made.axis} ({regime})", made.scale)
    legend(axes)
    return in_page(svg_of(figure), f"{made.title} {regime}: score by number of texts")


def weights_plot(weights: Mapping[str, Sequence[Sequence[float]]], title: str) -> str:
    """Draw the weight that an aggregation gives to each layer.

    weights (Mapping[str, Sequence[Sequence[float]]]): By name of the line, weights by layer
        (0 is the embeddings), one row per run.
    title (str): What is shown, for readers who do not see it.
    RETURNS (str): SVG.
    """
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(WIDTH, 3.0))
    depth = 0
    for number, (name, rows) in enumerate(weights.items()):
        style = style_of(number)
        layers = range(len(rows[0]))
        depth = max(depth, len(rows[0]))
        mean = [sum(row[layer] for row in rows) / len(rows) for layer in layers]
        axes.plot(layers, mean, label=name, markersize=6, **style)
        for row in rows:
            axes.plot(layers, row, "-", color=style["color"], alpha=0.25, linewidth=0.8)
    axes.set_xticks(range(depth))
    axes.set_ylim(bottom=0)
    plain_axes(axes, "layer (0: embeddings)", "weight")
    legend(axes)
    return in_page(svg_of(figure), title)
