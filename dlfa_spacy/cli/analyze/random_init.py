"""`dlfa analyze random-init`."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import output, plain_errors
from .app import analyze_app
from .options import Out, Quiet
from .show import show_rows, write


@analyze_app.command("random-init")
def random_init_cli(
    table: Annotated[
        Path, typer.Argument(help="The table of [cyan]dlfa sweep[/]: its folder, or a CSV file.")
    ],
    source: Annotated[str, typer.Option(help="The language trained on.")] = "en",
    reference: Annotated[str, typer.Option(help="Aggregator of the reference runs.")] = "last",
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """What re-initializing blocks costs each language, and how it changes the gap.

    Reads the runs of a sweep with methods [bold]reinit...[/] (RANDOM-INIT of *First Align, then
    Predict*), paired by seed with those of the reference. Writes [bold]random_init.csv[/].

    [bold]Example[/]

      [cyan]dlfa analyze random-init sweep/ --out analysis[/]
    """
    with plain_errors():
        from ...analysis.random_init import random_init_summary, sentences
        from ...runs import read_table

        summary = random_init_summary(read_table(table), source, reference)
        rows = [{str(k): v for k, v in row.items()} for row in summary.to_dict("records")]
        if not quiet:
            shown_rows = [r for r in rows if r["language"] in (source, "targets", "gap")]
            show_rows(
                "RANDOM-INIT: score with blocks re-initialized, minus the reference", shown_rows
            )
            for sentence in sentences(summary, source):
                output().print(sentence, highlight=False)
        write(out, "random_init", rows, False, None, quiet)
