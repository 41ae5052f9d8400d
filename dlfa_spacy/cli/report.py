"""`dlfa report`: several runs in one table."""

from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def report_cli(
    runs: Annotated[
        Path,
        typer.Argument(
            metavar="RUNS_DIR",
            help="Folder with the runs: every scores.json below it, as written by [cyan]dlfa "
            "evaluate --out[/].",
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder for report.html, report.md, report.csv.")
    ],
    title: Annotated[str, typer.Option(help="Heading of the report.")] = "Zero-shot scores",
    readme: Annotated[
        Path | None,
        typer.Option(
            help="Also put the tables between the two markers [bold]<!-- dlfa:scores -->[/] of "
            "this Markdown file."
        ),
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Heat maps and dot plots (matplotlib).")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
) -> None:
    """Put several runs side by side: method by language, seeds, and what can be told from chance.

    Runs are compared only if they share corpus, tokens, encoder and training data. Seeds of one
    method are averaged; differences to the last layer and to the control are paired by seed.

    [bold]Examples[/]

    Two methods, two seeds each, one page:

      [cyan]dlfa evaluate last-1/model-best corpus --out runs/last-1[/]
      [cyan]dlfa evaluate dlfa-1/model-best corpus --out runs/dlfa-1[/]
      [cyan]dlfa report runs report[/]

    And the table into a README:

      [cyan]dlfa report runs report --readme README.md[/]
    """
    with plain_errors():
        from ..evaluation.report import write_report

        paths = write_report(runs, out, title=title, readme=readme, figures=figures)
        if not quiet:
            for path in paths:
                output().print(f"Wrote {shown(path)}", soft_wrap=True)
