"""`dlfa analyze retrieval`."""

from typing import Annotated

import typer

from ..console import plain_errors
from .app import analyze_app
from .inputs import read_texts
from .options import Batch, Langs, Limit, Out, Parallel, Plot, Quiet, Source, Store
from .show import Rows, by_language, layer_curves, mean_line, show, write


@analyze_app.command("retrieval")
def retrieval_cli(
    source: Source,
    parallel: Parallel,
    langs: Langs = "",
    limit: Limit = 1000,
    words: Annotated[
        bool,
        typer.Option(
            "--words/--sentences",
            help="Words linked by a third column (0-0 1-2), instead of sentences.",
        ),
    ] = False,
    word_limit: Annotated[int, typer.Option(min=0, help="Words per language; 0: all.")] = 5000,
    k: Annotated[int, typer.Option(min=1, help="Neighbors of CSLS.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the controls.")] = 0,
    batch_size: Batch = 64,
    store: Store = None,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """From which layers translations are found, and how near each other they are.

    Accuracy by cosine and CSLS in both directions, as the vectors are and with the mean of each
    language subtracted (the free baseline of every alignment); mean cosine of translations and of
    shuffled pairs; isotropy. Writes [bold]retrieval.csv[/] and [bold]retrieval.svg[/].

    [bold]Example[/]

      [cyan]dlfa analyze retrieval training/model-best pud/ --out analysis[/]
    """
    with plain_errors():
        from ...analysis.curves import KnownStates, retrieval_rows
        from ...pipeline.sources import open_source, source_name

        nlp = open_source(source, store)
        english = KnownStates(nlp, batch_size=batch_size)
        rows: Rows = []
        for text in read_texts(parallel, langs, limit, quiet):
            rows.extend(
                retrieval_rows(
                    nlp, text, english, words=words, k=k, word_limit=word_limit, seed=seed
                )
            )
        for row in rows:
            row["csls"] = (row["csls_to_en"] + row["csls_from_en"]) / 2
        plain = [row for row in rows if not row["centred"]]
        series = by_language(plain, "csls")
        control = {
            "mean, centred": mean_line(
                by_language([row for row in rows if row["centred"]], "csls")
            ),
            "chance": {row["layer"]: 1 / row["n"] for row in plain},
        }
        label = f"{'word' if words else 'sentence'} retrieval, CSLS, both directions"
        if not quiet:
            table = {**series, "mean": mean_line(series), **control}
            table["mean cosine of translations"] = mean_line(by_language(plain, "mean_cosine"))
            table["mean cosine, shuffled"] = mean_line(by_language(plain, "shuffled_cosine"))
            show(f"{source_name(source)}: {label}", table)
        for row in rows:
            del row["csls"]
        name = "retrieval_words" if words else "retrieval"
        write(out, name, rows, plot, lambda: layer_curves(source, series, label, control), quiet)
