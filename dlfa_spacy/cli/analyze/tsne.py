"""`dlfa analyze tsne`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..console import output, plain_errors
from .app import analyze_app
from .inputs import read_texts
from .options import Langs, Out, Parallel, Plot, Quiet, Source, Store
from .show import Rows, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@analyze_app.command("tsne")
def tsne_cli(
    source: Source,
    parallel: Parallel,
    layer: Annotated[int, typer.Option(help="Layer; negative numbers count from the end.")] = -1,
    langs: Langs = "",
    limit: Annotated[int, typer.Option(min=3, help="Pairs per language.")] = 60,
    words: Annotated[
        bool, typer.Option("--words/--sentences", help="Linked words, or sentences.")
    ] = True,
    names: Annotated[
        bool, typer.Option("--names/--no-names", help="Label the points with their words.")
    ] = True,
    center: Annotated[
        bool, typer.Option("--center/--no-center", help="Subtract each language's mean.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of its initialization.")] = 0,
    store: Store = None,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """Plot parallel words (or sentences) of one layer on a plane, by t-SNE (scikit-learn).

    Writes [bold]tsne_<lang>.csv[/] and [bold].svg[/] for each language.

    [bold]Example[/]

      [cyan]dlfa analyze tsne assets/encoder de-en.tsv --layer 4 --sentences --out analysis[/]
    """
    with plain_errors():
        from ...analysis.curves import KnownStates
        from ...analysis.tsne import tsne_rows
        from ...analysis.words import word_pairs
        from ...metrics.similarity import centred
        from ...pipeline.sources import open_source, source_name
        from ...report import plots

        nlp = open_source(source, store)
        for text in read_texts(parallel, langs, 0 if words else limit, quiet):
            labels = None
            if words:
                pairs = word_pairs(nlp, text.pairs, [layer], limit=limit)
                x, y = pairs.foreign[0], pairs.english[0]
                labels = pairs.words if names else None
            else:
                states = KnownStates(nlp, [layer])
                x, y = states(text.foreign)[0], states(text.english)[0]
            if center:
                x, y = centred(x), centred(y)
            rows = tsne_rows(x, y, text.language, labels, seed=seed)
            title = f"{source_name(source)}, layer {layer}: {text.language} and en"

            def figure(rows: Rows = rows, title: str = title) -> "Figure":
                return plots.points(rows, title=title)

            if out is None and not quiet:
                output().print(f"{title}: {len(rows)} points. Add --out to keep them.")
            write(out, f"tsne_{text.language}", rows, plot, figure, quiet)
