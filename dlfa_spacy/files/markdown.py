"""Numbers and tables in Markdown."""

from collections.abc import Iterable, Sequence


def percent(value: float | None, digits: int = 1) -> str:
    """Show a score times 100.

    value (Optional[float]): Score from 0 to 1.
    digits (int): Digits after the point.
    RETURNS (str): The number, or a dash for `None`.
    """
    # Adding 0.0 turns the -0.0 that rounding leaves into 0.0.
    return "–" if value is None else f"{round(100 * value, digits) + 0.0:.{digits}f}"


def points(value: float) -> str:
    """Show a difference of scores in percentage points, with its sign.

    value (float): Difference of two scores from 0 to 1.
    RETURNS (str): The number.
    """
    return f"{round(100 * value, 1) + 0.0:+.1f}"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Make a Markdown table, the first column to the left, all others to the right.

    header (Sequence[str]): Column names.
    rows (Iterable[Sequence[str]]): Cells.
    RETURNS (str): The table, with a line end.
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    rule = "|" + "|".join([":---"] + ["---:"] * (len(header) - 1)) + "|\n"
    return line(header) + rule + "".join(line(row) for row in rows)
