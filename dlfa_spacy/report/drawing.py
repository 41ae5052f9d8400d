"""What all figures share: ink, colors, axes, and SVG that takes on the colors of its page."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Drawn in this color, text and axes become the page's: dark on light, light on dark.
INK = "#010203"
# Each is seen on white and on black (contrast of 3 or more against both), and told from the others.
COLORS = ("#4c8bf5", "#d9662b", "#2f9e63", "#a86bd8", "#c94f7c", "#8c7a00", "#168aa3", "#7d8590")
# In plots of some systems against others.
OURS, OTHERS = COLORS[0], COLORS[-1]
# Shapes tell lines apart where colors do not; together they repeat after 88 lines.
MARKERS = "os^Dv<>pXPh"
# Inches. As wide as a column of text; on a narrow screen it shrinks to no less than three quarters.
WIDTH = 5.2


def pyplot() -> Any:
    """RETURNS (Module): matplotlib's, drawing without a display.

    RAISES (ImportError): There is no matplotlib.
    """
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

    return plt


def style_of(number: int) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Color, marker and dashes of a line, for `Axes.plot`."""
    return {
        "color": COLORS[number % len(COLORS)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": "-" if number < len(COLORS) else "--",
    }


def plain_axes(axes: Axes, x: str, y: str, *, grid: str = "y") -> None:
    """Name the axes; ink, thin grid lines, and no frame but the line below.

    axes (Axes): Of a figure.
    x, y (str): Their names.
    grid (str): The axis of values, "x" or "y".
    """
    axes.tick_params(colors=INK, length=3)
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.grid(axis=grid, color="#8884", linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name == "bottom")
        spine.set_color(INK)


def legend(axes: Axes, columns: int = 2) -> None:
    """Above the lines: on them it would hide some, beside them a narrow screen would cut it off."""
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1.0), "borderaxespad": 0.3}
    axes.legend(frameon=False, labelcolor=INK, ncol=columns, fontsize=9, **place)


def rows_of_text(axes: Axes, names: list[str], *, ground: str = "none") -> None:
    """Write the name of each row above it, inside the plot: beside it, long names would leave a
    narrow screen no room for the values.

    axes (Axes): Its y axis counts rows from above.
    names (List[str]): The rows.
    ground (str): Color that hides the lines behind a name.
    """
    axes.set_yticks([])
    axes.set_ylim(len(names) - 0.6, -0.8)
    for row, name in enumerate(names):
        axes.annotate(
            name,
            (0, row - 0.42),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
            bbox={"facecolor": ground, "edgecolor": "none", "pad": 0.5},
        )


def svg_of(figure: Figure, *, transparent: bool = True) -> str:
    """Draw a figure and close it.

    figure (Figure): It.
    transparent (bool): Whether what is behind it is seen.
    RETURNS (str): SVG; the same figure makes the same text. What is ink is still `INK`.
    """
    import matplotlib
    import matplotlib.pyplot as plt

    buffer = io.StringIO()
    # A fixed salt makes the same figure the same text, so that committed pages do not change.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dlfa"}):
        figure.savefig(
            buffer,
            format="svg",
            transparent=transparent,
            bbox_inches="tight",
            metadata={"Date": None},
        )
    plt.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # The page's own font instead of the one that matplotlib measured with.
    return re.sub(r'font: (\d+(?:\.\d+)?)px [^;"]*', r"font-size: \1px", text)


def in_page(svg: str, label: str) -> str:
    """Make a drawing a part of a page.

    svg (str): From `svg_of`.
    label (str): What it shows, for readers who do not see it; also makes its ids unique.
    RETURNS (str): SVG in the page's colors, as wide as it was drawn or the page is, and readable.
    """
    text = svg.replace(INK, "currentColor")
    prefix = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{prefix}-", text)
    size = re.search(r'<svg[^>]*?width="([\d.]+)pt"', text)
    natural = float(size[1]) * 4 / 3 if size else 600
    # Wider than a narrow screen it scrolls.
    width = f"{natural:.0f}px;min-width:{min(natural, max(320, 0.7 * natural)):.0f}px"
    for _ in range(2):
        text = re.sub(r'(<svg[^>]*?) (?:width|height)="[\d.]+pt"', r"\1", text, count=1)
    title = label.replace("&", "&amp;").replace("<", "&lt;")
    attributes = f'<svg role="img" aria-label="{title}" style="max-width:{width}"'
    return text.replace("<svg", attributes, 1)
