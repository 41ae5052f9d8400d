"""Curves over layers, heat maps, points and bars, as SVG files readable on light and dark pages."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy

from ..files.writing import replacing, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn in these colors, they become the page's: dark ink on light, light ink on dark.
_INK, _CARD = "#010203", "#fdfefd"
_STYLE = (
    "<style>.dlfa-plot{--ink:#1f2328;--card:#ffffff}"
    "@media(prefers-color-scheme:dark){.dlfa-plot{--ink:#e6edf3;--card:#0d1117}}"
    '.dlfa-plot text{font-family:-apple-system,"Segoe UI","Noto Sans",Helvetica,Arial,sans-serif}'
    "</style>"
)
# Each of these is seen on white and on black (contrast of 3 or more against both).
COLOURS = ["#4c8bf5", "#d9662b", "#2f9e63", "#a86bd8", "#c94f7c", "#8c7a00", "#168aa3", "#b5651d"]
MARKERS = "os^Dv<>pXP*h"


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
    figure, axes = _figure(7.2, 4.2)
    _axes(axes)
    layers = sorted({layer for values in series.values() for layer in values})
    for i, (name, values) in enumerate(series.items()):
        axes.plot(
            list(values),
            list(values.values()),
            color=COLOURS[i % len(COLOURS)],
            marker=MARKERS[i % len(MARKERS)],
            markersize=4,
            linewidth=1.1,
            label=name,
        )
    if mean and len(series) > 1:
        means = [numpy.mean([v[layer] for v in series.values() if layer in v]) for layer in layers]
        axes.plot(layers, means, color=_INK, linewidth=2.6, label="mean")
    for i, (name, values) in enumerate((controls or {}).items()):
        style = ("--", ":", "-.")[i % 3]
        axes.plot(list(values), list(values.values()), style, color=_INK, linewidth=1.3, label=name)
    axes.set_xticks(layers)
    axes.set_xlabel("layer (0 = embeddings)", color=_INK)
    axes.set_ylabel(label, color=_INK)
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_color(_INK)
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
    import matplotlib

    values = numpy.asarray([list(row) for row in rows.values()], dtype="float64")
    count, depth = values.shape
    figure, axes = _figure(1.8 + 0.55 * depth, 1.0 + 0.32 * count)
    low, high = min(0.0, float(values.min())), max(float(values.max()), 1e-9)
    edges = numpy.arange(depth + 1) - 0.5, numpy.arange(count + 1) - 0.5
    # Cells as vectors: imshow would put a blurred bitmap into the page.
    mesh = axes.pcolormesh(*edges, values, cmap="viridis", vmin=low, vmax=high)
    axes.invert_yaxis()
    axes.set_xticks(range(depth), [str(first + i) for i in range(depth)], color=_INK)
    axes.set_yticks(range(count), list(rows), color=_INK)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for (y, x), value in numpy.ndenumerate(values):
        dark = matplotlib.colors.rgb_to_hsv(mesh.to_rgba(value)[:3])[2] < 0.65
        colour = "#fff" if dark else "#111"
        axes.text(
            x,
            y,
            f"{round(float(value), digits) + 0.0:.{digits}f}",
            ha="center",
            va="center",
            fontsize=8,
            color=colour,
        )
    axes.set_xlabel("layer (0 = embeddings)", color=_INK)
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    return figure


def points(rows: Iterable[Mapping[str, Any]], *, title: str) -> Figure:
    """Draw pairs of points, a line between the two of each pair.

    rows (Iterable[Mapping[str, Any]]): As `tsne_rows` gives them; `text` is written beside.
    title (str): Above.
    RETURNS (Figure): The figure.
    """
    figure, axes = _figure(7.2, 6.4)
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
        axes.plot(x, y, MARKERS[i], color=COLOURS[i], markersize=5, label=language)
    for row in rows:
        if "text" in row:
            axes.annotate(row["text"], (row["x"], row["y"]), fontsize=7, color=_INK)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    legend = axes.legend(frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_color(_INK)
    return figure


def bars(
    values: Mapping[str, float], *, title: str, label: str, mark: float | None = None
) -> Figure:
    """Draw one bar per name, the number beside it.

    values (Mapping[str, float]): Name -> value, from above.
    title (str): Above.
    label (str): Of the axis of values.
    mark (Optional[float]): A value to draw a line at.
    RETURNS (Figure): The figure.
    RAISES (ImportError): There is no matplotlib.
    """
    figure, axes = _figure(7.2, 0.9 + 0.3 * len(values))
    _axes(axes)
    axes.grid(axis="x", color="#8884", linewidth=0.6)
    axes.grid(axis="y", visible=False)
    rows = range(len(values))
    axes.barh(rows, list(values.values()), height=0.62, color=COLOURS[0])
    axes.set_yticks(rows, list(values), color=_INK)
    axes.invert_yaxis()
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
            color=_INK,
        )
    if mark is not None:
        axes.axvline(mark, color=_INK, linewidth=1.1, linestyle="--")
    axes.set_xlabel(label, color=_INK)
    axes.set_title(title, color=_INK, fontsize=11, loc="left")
    return figure


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure, all or nothing, and close it. SVG takes on the colors of its page; other
    formats are black on white.

    figure (Figure): From one of the functions above.
    path (Union[str, Path]): The file; its ending says the format.
    RETURNS (Path): It.
    """
    import matplotlib.pyplot as plt

    path = Path(path)
    if path.suffix == ".svg":
        write_text(path, to_svg(figure))
    else:
        with replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix.lstrip("."), dpi=150, bbox_inches="tight")
    plt.close(figure)
    return path


def to_svg(figure: Figure) -> str:
    """RETURNS (str): A file of its own; the same figure makes the same text."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dlfa"}):
        figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = text.replace(_INK, "var(--ink)").replace(_CARD, "var(--card)")
    # The page's own font instead of the one that matplotlib measured with.
    text = re.sub(r'font: (\d+(?:\.\d+)?)px [^;"]*', r"font-size: \1px", text)
    start = text.index(">") + 1
    return text[: start - 1] + ' class="dlfa-plot">' + _STYLE + text[start:]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed. Fix: pip install matplotlib, or leave "
            "the plots out (--no-plot)."
        ) from error
    # No window, whatever is installed.
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), facecolor=_CARD)


def _axes(axes: Axes) -> None:
    axes.set_facecolor(_CARD)
    axes.tick_params(colors=_INK, length=3)
    axes.grid(axis="y", color="#8884", linewidth=0.6)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("bottom", "left"))
        spine.set_color(_INK)
