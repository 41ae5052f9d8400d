"""`dlfa analyze vectors`."""

from typing import Annotated

import typer

from ..console import plain_errors
from .app import analyze_app
from .inputs import read_texts
from .options import Batch, Langs, Limit, Out, Parallel, Quiet, Source, Store
from .show import Rows, show_rows, write


@analyze_app.command("vectors")
def vectors_cli(
    source: Source,
    parallel: Parallel,
    langs: Langs = "",
    limit: Limit = 1000,
    k: Annotated[int, typer.Option(min=1, help="Neighbors of CSLS.")] = 10,
    batch_size: Batch = 64,
    store: Store = None,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Which settings of [bold]dlfa_sentence_vectors[/] find translations best.

    Single layers, means of several, and SBERT-WK, as they are and centered by language. Means are
    learned from the first half of the pairs, retrieval is scored on the second. Writes
    [bold]vectors.csv[/].

    [bold]Example[/]

      [cyan]dlfa analyze vectors assets/encoder pud/ --limit 500 --out analysis[/]
    """
    with plain_errors():
        from ...analysis.vector_recipes import Known, recipe_rows
        from ...pipeline.sources import open_source

        nlp = open_source(source, store)
        known: Known = {}
        rows: Rows = []
        for text in read_texts(parallel, langs, limit, quiet):
            rows.extend(recipe_rows(nlp, text, known, k, batch_size))
        if not quiet:
            show_rows("Retrieval, mean over languages and both directions", _by_recipe(rows))
        write(out, "vectors", rows, False, None, quiet)


def _by_recipe(rows: Rows) -> Rows:
    """RETURNS (List[Dict[str, Any]]): Recipe, and accuracies of it as it is and centered."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        own = found.setdefault(row["recipe"], {})
        for name in ("cosine", "csls"):
            value = (row[f"{name}_to_en"] + row[f"{name}_from_en"]) / 2
            key = f"{name}, centred" if row["centred"] else name
            own.setdefault(key, []).append(value)
    return [
        {"recipe": name, **{key: sum(v) / len(v) for key, v in sorted(own.items())}}
        for name, own in found.items()
    ]
