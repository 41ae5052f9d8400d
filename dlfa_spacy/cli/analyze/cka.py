"""`dlfa analyze cka`."""

from typing import Annotated

import typer

from ..console import plain_errors
from .app import analyze_app
from .inputs import read_texts
from .options import Batch, Langs, Limit, Out, Parallel, Plot, Quiet, Source, Store
from .show import Rows, by_language, layer_curves, mean_line, show, write


@analyze_app.command("cka")
def cka_cli(
    source: Source,
    parallel: Parallel,
    langs: Langs = "",
    limit: Limit = 1000,
    size: Annotated[
        int, typer.Option(min=4, help="Sentences in a batch; mean and deviation are over batches.")
    ] = 125,
    seed: Annotated[int, typer.Option(help="Seed of the shuffled control.")] = 0,
    batch_size: Batch = 64,
    store: Store = None,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """How similarly each layer arranges the same sentences in English and in other languages.

    CKA, linear and RBF, debiased and biased, over batches that share no sentence; each with
    the same for shuffled pairs as a control. Writes [bold]cka.csv[/] and [bold]cka.svg[/].

    [bold]Example[/]

      [cyan]dlfa analyze cka assets/encoder pud/ --limit 500 --out analysis[/]
    """
    with plain_errors():
        from ...analysis.curves import CkaOptions, KnownStates, cka_rows
        from ...pipeline.sources import open_source, source_name

        nlp = open_source(source, store)
        english = KnownStates(nlp, batch_size=batch_size)
        options = CkaOptions(size=size, seed=seed)
        rows: Rows = []
        for text in read_texts(parallel, langs, limit, quiet):
            rows.extend(cka_rows(nlp, text, english, options))
        main = [row for row in rows if row["kernel"] == "linear" and row["debiased"]]
        series, control = (
            by_language(main, "cka"),
            {"shuffled": mean_line(by_language(main, "shuffled"))},
        )
        label = "debiased linear CKA with English"
        if not quiet:
            show(
                f"{source_name(source)}: {label}", {**series, "mean": mean_line(series), **control}
            )
        write(out, "cka", rows, plot, lambda: layer_curves(source, series, label, control), quiet)
