"""`dlfa report`: several runs in one table."""

from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def report_cli(
    runs: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder with runs, every scores.json below it, as written by [cyan]dlfa evaluate "
            "--out[/]; or a [cyan]dlfa sweep[/]: its folder, results.sqlite or CSV file; or a "
            "folder of sweeps.",
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
    card: Annotated[
        Path | None, typer.Option(help="Also write a model card, a Markdown file.")
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Heat maps and plots (matplotlib).")
    ] = True,
    sentences: Annotated[
        bool,
        typer.Option(
            "--sentences",
            help="Show the texts that [cyan]dlfa evaluate --examples[/] kept. Only for corpora "
            "that may be redistributed.",
        ),
    ] = False,
    source: Annotated[
        str, typer.Option(help="The language trained on, where a sweep's CSV does not say.")
    ] = "en",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Compare several runs: method by language, seeds, and which differences are significant.

    Runs are compared only if they share corpus, tokens, encoder and training data. Seeds of one
    method are averaged; differences to the last layer and to the control are paired by seed, and
    tested with Holm's correction (docs/statistics.md). A layer out of many is shown
    as chosen on dev, as the mean, and as the oracle, which is not a result.

    [bold]Examples[/]

    Two methods, two seeds each, one page:

      [cyan]dlfa evaluate last-1/model-best corpus --out runs/last-1[/]
      [cyan]dlfa evaluate dlfa-1/model-best corpus --out runs/dlfa-1[/]
      [cyan]dlfa report runs report[/]

    And the table into a README:

      [cyan]dlfa report runs report --readme README.md[/]

    A sweep, with a model card:

      [cyan]dlfa report sweeps/methods report --card report/card.md[/]
    """
    with plain_errors():
        from ..report.report import write_report

        paths = write_report(
            runs,
            out,
            title=title,
            readme=readme,
            card=card,
            figures=figures,
            sentences=sentences,
            language=source,
        )
        if not quiet:
            for path in paths:
                output().print(f"Wrote {shown(path)}", soft_wrap=True)
