"""What the commands of `dlfa analyze` print and write."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import output, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = list[dict[str, Any]]
Lines = Mapping[str, Mapping[int, float]]


def by_language(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, dict[int, float]]:
    """RETURNS (Dict[str, Dict[int, float]]): Language -> layer -> value."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row["language"], {})[row["layer"]] = row[key]
    return found


def mean_line(series: Lines) -> dict[int, float]:
    layers = sorted({layer for values in series.values() for layer in values})
    found = {}
    for layer in layers:
        values = [line[layer] for line in series.values() if layer in line]
        found[layer] = sum(values) / len(values)
    return found


def layer_curves(source: str, series: Lines, label: str, control: Lines) -> "Figure":
    from ...pipeline.sources import source_name
    from ...report import plots

    title = f"{source_name(source)}: {label}"
    return plots.curves(series, title=title, label=label, controls=control)


def write(out: Path | None, name: str, rows: Rows, plot: bool, figure: Any, quiet: bool) -> None:
    """Write table and plot; without a folder, nothing."""
    if out is None:
        return
    from ...files.csv_table import write_csv
    from ...report import plots

    paths = [write_csv(out / f"{name}.csv", rows)]
    if plot and figure is not None:
        paths.append(plots.save(figure(), out / f"{name}.svg"))
    if not quiet:
        for path in paths:
            output().print(f"Wrote {shown(path)}", soft_wrap=True)


def show(title: str, lines: Lines, percent: int = 1) -> None:
    """Print a line for each name and a column for each layer; accuracies in percent."""
    from rich.table import Table

    layers = sorted({layer for values in lines.values() for layer in values})
    table = Table(title=title, header_style="bold", title_justify="left")
    table.add_column("layer")
    for layer in layers:
        table.add_column(str(layer), justify="right")
    for name, values in lines.items():
        cells = [values.get(layer) for layer in layers]
        digits = ["" if v is None else f"{100 * v:.1f}" if percent else f"{v:.3f}" for v in cells]
        table.add_row(name, *digits)
    output().print(table)


def show_rows(title: str, rows: Rows) -> None:
    from rich.table import Table

    table = Table(title=title, header_style="bold", title_justify="left")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    output().print(table)
