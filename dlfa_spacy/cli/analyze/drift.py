"""`dlfa analyze drift`."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import plain_errors
from .app import analyze_app
from .inputs import read_sentences
from .options import Langs, Limit, Out, Pipeline, Plot, Quiet
from .show import by_language, layer_curves, mean_line, show, write


@analyze_app.command("drift")
def drift_cli(
    pipeline: Pipeline,
    base: Annotated[
        str, typer.Argument(help="The encoder before fine-tuning: its folder, or name on the Hub.")
    ],
    texts: Annotated[
        Path,
        typer.Argument(help="Parallel text as for [cyan]cka[/]; or a folder of <language>.txt."),
    ],
    langs: Langs = "",
    limit: Limit = 500,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """How far fine-tuning moved each layer: 1 - cosine, and CKA between before and after.

    Writes [bold]drift.csv[/] and [bold]drift.svg[/].

    [bold]Example[/]

      [cyan]dlfa analyze drift training/model-best assets/encoder pud/ --out analysis[/]
    """
    with plain_errors():
        from ...analysis.drift import drift_rows
        from ...pipeline.sources import open_source, source_name

        sentences = read_sentences(texts, langs, limit, quiet)
        rows = list(drift_rows(open_source(base), open_source(pipeline), sentences))
        series = by_language(rows, "drift")
        label = "drift by fine-tuning (1 - cosine)"
        if not quiet:
            mean_cka = {"mean CKA (linear)": mean_line(by_language(rows, "cka_linear"))}
            table = {**series, "mean": mean_line(series), **mean_cka}
            show(f"{source_name(pipeline)}: {label}", table, percent=0)
        write(out, "drift", rows, plot, lambda: layer_curves(pipeline, series, label, {}), quiet)
