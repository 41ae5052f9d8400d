"""Curves over layers, heat maps, points and bars, as SVG files readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from ..files.writing import replacing, write_text
from .drawing import (
    INK,
    OTHERS,
    OURS,
    WIDTH,
    legend,
    plain_axes,
    pyplot,
    rows_of_text,
    style_of,
    svg_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A file may lie on a page of either color: it brings its own ground.
_CARD = "#fdfefd"
_STYLE = (
    "<style>.dlfa-plot{--ink:#1f2328;--card:#ffffff}"
    "@media(prefers-color-scheme:dark){.dlfa-plot{--ink:#e6edf3;--card:#0d1117}}"
    '.dlfa-plot text{font-family:-apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}'
    "</style>"
)


def curves(
    series: Mapping[str, Mapping[int, float]],
    *,
    title: str,
    label: str,
    controls: Mapping[str, Mapping[int, float]] | None = None,
    mean: bool = True,
) -> Figure:
    """Draw one line per language over the layers, their mean, and the controls.

    series (Mapping[str, Mapping[int, float]]): Name -> layer -> value.
    title (str): Above.
    label (str): Of the axis of values.
    controls (Mapping[str, Mapping[int, float]]): Dashed lines, such as shuffled pairs.
    mean (bool): Whether there is a line for the mean of several.
    RETURNS (Figure): The figure.
    RAISES (ImportError): There is no matplotlib.
    """
    figure, axes = _figure(WIDTH, 3.8)
    layers = sorted({layer for values in series.values() for layer in values})
    for i, (name, values) in enumerate(series.items()):
        axes.plot(
            list(values),
            list(values.values()),
            markersize=4,
            linewidth=1.1,
            label=name,
            **style_of(i),
        )
    if mean and len(series) > 1:
        means = [numpy.mean([v[layer] for v in series.values() if layer in v]) for layer in layers]
        axes.plot(layers, means, color=INK, linewidth=2.6, label="mean")
    for i, (name, values) in enumerate((controls or {}).items(), start=len(series)):
        style = {**style_of(i), "marker": "", "linestyle": ("--", ":", "-.")[i % 3]}
        axes.plot(list(values), list(values.values()), linewidth=1.6, label=name, **style)
    axes.set_xticks(layers)
    plain_axes(axes, "layer (0 = embeddings)", label)
    _named(axes, title)
    return figure


def heat_map(
    rows: Mapping[str, Sequence[float]], *, title: str, first: int = 0, digits: int = 2
) -> Figure:
    """Draw a number for each name and layer.

    rows (Mapping[str, Sequence[float]]): Name -> one value per layer.
    title (str): Above.
    first (int): Number of the first layer.
    digits (int): After the point.
    RETURNS (Figure): The figure.
    """
    values = numpy.asarray([list(row) for row in rows.values()], dtype="float64")
    count, depth = values.shape
    figure, axes = _figure(0.8 + 0.4 * depth, 0.8 + 0.3 * count)
    low, high = min(0.0, float(values.min())), max(float(values.max()), 1e-9)
    edges = numpy.arange(depth + 1) - 0.5, numpy.arange(count + 1) - 0.5
    # Cells as vectors: imshow would put a blurred bitmap into the page.
    axes.pcolormesh(*edges, values, cmap="viridis", vmin=low, vmax=high)
    axes.invert_yaxis()
    axes.set_xticks(range(depth), [str(first + i) for i in range(depth)], color=INK)
    axes.set_yticks(range(count), list(rows), color=INK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (y, x), value in numpy.ndenumerate(values):
        # The blues and greens below are dark.
        light = value - low > 0.6 * (high - low)
        axes.text(
            x,
            y,
            f"{round(float(value), digits) + 0.0:.{digits}f}",
            ha="center",
            va="center",
            fontsize=7.5,
            color="#111" if light else "#fff",
        )
    axes.set_xlabel("layer (0 = embeddings)", color=INK)
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    return figure


def points(rows: Iterable[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw pairs of points, a line between the two of each pair.

    rows (Iterable[Mapping[str, Any]]): As `tsne_rows` gives them; `text` is written beside.
    title (str): Above.
    RETURNS (Figure): The figure.
    """
    figure, axes = _figure(WIDTH, WIDTH)
    rows = list(rows)
    pairs: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        pairs.setdefault(row["pair"], []).append(row)
    for pair in pairs.values():
        axes.plot(
            [row["x"] for row in pair], [row["y"] for row in pair], color="#8888", linewidth=0.8
        )
    for i, language in enumerate(dict.fromkeys(row["language"] for row in rows)):
        own = [row for row in rows if row["language"] == language]
        x, y = [row["x"] for row in own], [row["y"] for row in own]
        style = {**style_of(i), "linestyle": ""}
        axes.plot(x, y, markersize=5, label=language, **style)
    for row in rows:
        if "text" in row:
            axes.annotate(row["text"], (row["x"], row["y"]), fontsize=7, color=INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    _named(axes, title)
    return figure


def bars(
    values: Mapping[str, float],
    *,
    title: str,
    label: str,
    mark: float | None = None,
    accent: Collection[str] | None = None,
) -> Figure:
    """Draw one bar per name, which stands above it, the number beside it.

    values (Mapping[str, float]): Name -> value, from above.
    title (str): Above.
    label (str): Of the axis of values.
    mark (Optional[float]): A value to draw a line at.
    accent (Optional[Collection[str]]): The names whose bars have a color, the others being gray;
        `None` for all.
    RETURNS (Figure): The figure.
    RAISES (ImportError): There is no matplotlib.
    """
    figure, axes = _figure(WIDTH, 0.9 + 0.46 * len(values))
    plain_axes(axes, label, "", grid="x")
    rows = range(len(values))
    colors = [OURS if accent is None or name in accent else OTHERS for name in values]
    axes.barh(rows, list(values.values()), height=0.4, color=colors)
    rows_of_text(axes, list(values), ground=_CARD)
    near = 0.1 * max(values.values(), default=0.0)
    for row, value in zip(rows, values.values(), strict=True):
        # The line would run through a number that stands before it.
        end = mark if mark is not None and 0 <= mark - value < near else value
        axes.annotate(
            f"{round(value, 2) + 0.0:.2f}",
            (end, row),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
        )
    if mark is not None:
        axes.axvline(mark, color=INK, linewidth=1.1, linestyle="--")
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure, all or nothing, and close it. SVG takes on the colors of its page; other
    formats are black on white.

    figure (Figure): From one of the functions above.
    path (Union[str, Path]): The file; its ending says the format.
    RETURNS (Path): It.
    """
    path = Path(path)
    if path.suffix == ".svg":
        write_text(path, to_svg(figure))
        return path
    with replacing(path) as temporary:
        figure.savefig(temporary, format=path.suffix.lstrip("."), dpi=150, bbox_inches="tight")
    pyplot().close(figure)
    return path


def to_svg(figure: Figure) -> str:
    """RETURNS (str): A file of its own; the same figure makes the same text."""
    text = svg_of(figure, transparent=False)
    text = text.replace(INK, "var(--ink)").replace(_CARD, "var(--card)")
    start = text.index(">") + 1
    return text[: start - 1] + ' class="dlfa-plot">' + _STYLE + text[start:]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure, axes = pyplot().subplots(figsize=(width, height), facecolor=_CARD)
    axes.set_facecolor(_CARD)
    return figure, axes


def _named(axes: Axes, title: str) -> None:
    """The title, and below it a legend: of two columns, or of more where names are short."""
    names = axes.get_legend_handles_labels()[1]
    columns = 2 if max(map(len, names)) > 8 else 5
    legend(axes, columns)
    axes.set_title(
        title, color=INK, fontsize=11, loc="left", pad=8 + 15 * -(-len(names) // columns)
    )
