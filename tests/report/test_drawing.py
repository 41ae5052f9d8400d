import itertools
import math

import pytest

from dlfa_spacy.report import plots
from dlfa_spacy.report.drawing import COLORS, OTHERS, OURS, style_of

pytest.importorskip("matplotlib")


def linear(color: str) -> list[float]:
    shares = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]


def cube_root(x: float) -> float:
    return float(x ** (1 / 3))


def oklab(color: str) -> tuple[float, float, float]:
    """Lightness and two axes of hue in which distances are about as large as they look."""
    r, g, b = linear(color)
    x = cube_root(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    y = cube_root(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    z = cube_root(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
        0.2104542553 * x + 0.7936177850 * y - 0.0040720468 * z,
        1.9779984951 * x - 2.4285922050 * y + 0.4505937099 * z,
        0.0259040371 * x + 0.7827717662 * y - 0.8086757660 * z,
    )


@pytest.mark.parametrize("color", COLORS)
def test_a_color_is_seen_on_white_and_on_black(color: str) -> None:
    r, g, b = linear(color)
    luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b
    assert 1.05 / (luminance + 0.05) >= 3
    assert (luminance + 0.05) / 0.05 >= 3


def test_no_two_colors_are_alike_and_no_two_lines_look_the_same() -> None:
    for a, b in itertools.combinations(COLORS, 2):
        assert math.dist(oklab(a), oklab(b)) > 0.07, (a, b)
    styles = [tuple(style_of(number).values()) for number in range(88)]
    assert len(set(styles)) == len(styles)


def test_bars_of_ours_have_a_color_of_their_own() -> None:
    values = {"ours, last": 0.9, "stock": 0.4}
    svg = plots.to_svg(plots.bars(values, title="Speed", label="x", accent=["ours, last"]))
    assert svg.count(f"fill: {OURS}") == svg.count(f"fill: {OTHERS}") == 1
    svg = plots.to_svg(plots.bars(values, title="Speed", label="x"))
    assert svg.count(f"fill: {OURS}") == 2


def test_names_of_lines_and_bars_are_inside_a_column_of_text() -> None:
    series = {f"language {i}": {layer: 0.1 * i for layer in range(13)} for i in range(9)}
    long = "a system with a very long name, and its settings"
    for figure in (
        plots.curves(series, title="Retrieval", label="accuracy", controls={"shuffled": {0: 0.0}}),
        plots.bars({long: 0.3, "other": 1.0}, title="Speed", label="x", mark=1.0),
    ):
        svg = plots.to_svg(figure)
        width = float(svg.split('width="')[1].split("pt")[0])
        # Points; 400 pixels shrink it to three quarters.
        assert width < 400
        assert "language 8" in svg or long in svg
