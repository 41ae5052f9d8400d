"""`dlfa analyze language-id`."""

from functools import partial
from typing import Annotated

import typer

from ..console import plain_errors
from .app import analyze_app
from .inputs import read_sentences
from .options import Batch, Langs, Limit, Out, Parallel, Plot, Quiet, Source, Store
from .show import by_language, layer_curves, mean_line, show, write


@analyze_app.command("language-id")
def language_id_cli(
    source: Source,
    texts: Parallel,
    langs: Langs = "",
    limit: Limit = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    batch_size: Batch = 64,
    store: Store = None,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """How language-neutral each layer is: the share of texts whose language a linear probe tells.

    Reads parallel text, or a folder of <language>.txt; needs scikit-learn. Writes
    [bold]language_id.csv[/] and [bold]language_id.svg[/].

    [bold]Example[/]

      [cyan]dlfa analyze language-id assets/encoder pud/ --limit 500 --out analysis[/]
    """
    with plain_errors():
        from ...analysis.language_probe import probe_rows
        from ...pipeline.sources import open_source, source_name

        nlp = open_source(source, store)
        found = read_sentences(texts, langs, limit, quiet)
        rows = list(probe_rows(nlp, found, seed=seed, batch_size=batch_size))
        series = by_language(rows, "accuracy")
        control = {"chance": {row["layer"]: row["chance"] for row in rows}}
        label = "language told by a linear probe"
        if not quiet:
            lines = {**series, "mean": mean_line(series), **control}
            show(f"{source_name(source)}: {label}", lines)
        draw = partial(layer_curves, source, series, label, control)
        write(out, "language_id", rows, plot, draw, quiet)
