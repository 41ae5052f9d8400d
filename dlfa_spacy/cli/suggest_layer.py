"""`dlfa suggest-layer`: the lower layer for DLFA, without labels in the target languages."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .analyze.inputs import read_texts, wanted_languages
from .analyze.options import Langs, Limit, Quiet, Source, Store
from .analyze.show import Rows, show, show_rows, write
from .console import output, plain_errors

if TYPE_CHECKING:
    from spacy.language import Language

    from ..analysis.layer_choice import Suggestion


def suggest_layer_cli(
    source: Source,
    parallel: Annotated[
        Path | None,
        typer.Option(help="Parallel text: <language>-en.tsv, or a folder of such files."),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(help="Without translations: a folder of <language>.txt, en.txt among them."),
    ] = None,
    criterion: Annotated[
        str,
        typer.Option(
            help="With --parallel: [bold]retrieval[/] (CSLS), [bold]cka[/] (debiased), or "
            "[bold]cosine[/] (of translations, above shuffled pairs)."
        ),
    ] = "retrieval",
    langs: Langs = "",
    limit: Limit = 500,
    table: Annotated[
        Path | None,
        typer.Option(
            help="A sweep over DLFA's layers, or each layer alone too: the regret of each choice."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the CSV.")] = None,
    store: Store = None,
    quiet: Quiet = False,
) -> None:
    """Choose which lower layer DLFA reads, without labels in the target languages.

    Prints every criterion for every layer, and the suggested layer at the end. The last layer,
    which DLFA reads anyway, and the embeddings are not candidates.

    [bold]Examples[/]

      [cyan]dlfa suggest-layer assets/encoder --parallel pud/[/]

    Without translations, by how little a layer distinguishes languages:

      [cyan]dlfa suggest-layer assets/encoder --raw wikipedia/[/]

    And its regret against the layer that is best on the targets:

      [cyan]dlfa suggest-layer assets/encoder --parallel pud/ --table sweep/[/]
    """
    with plain_errors():
        if (parallel is None) == (raw is None):
            raise ValueError(
                "Found both or neither of --parallel and --raw. Expected one. Fix: dlfa "
                "suggest-layer ENCODER --parallel FILE.tsv."
            )
        if parallel is not None and criterion not in ("retrieval", "cka", "cosine"):
            raise ValueError(
                f"--criterion {criterion}: expected retrieval, cka or cosine. Fix: --criterion "
                "retrieval."
            )
        from ..pipeline.sources import open_source, source_name

        nlp = open_source(source, store)
        if parallel is not None:
            found = _from_parallel(nlp, parallel, langs, limit, quiet)
        else:
            assert raw is not None
            found = _from_raw(nlp, raw, langs, limit)
            criterion = "neutrality"
        layer = found[criterion].layer
        if not quiet:
            lines = {name: suggestion.scores for name, suggestion in found.items()}
            show(f"{source_name(source)}: criteria by layer (higher is better)", lines)
            for name, suggestion in found.items():
                output().print(f"{name}: layer {suggestion.layer}", highlight=False)
        rows: Rows = [
            {"criterion": name, "layer": x, "score": score, "suggested": x == suggestion.layer}
            for name, suggestion in found.items()
            for x, score in suggestion.scores.items()
        ]
        write(out, "suggest_layer", rows, False, None, quiet)
        if table is not None:
            _regret(table, found, out, quiet)
        output().print(f"Suggested: layer = {layer}", highlight=False)


def _from_parallel(
    nlp: "Language", parallel: Path, langs: str, limit: int, quiet: bool
) -> "dict[str, Suggestion]":
    from ..analysis.curves import CkaOptions, KnownStates, cka_rows, retrieval_rows
    from ..analysis.layer_choice import cka_scores, cosine_scores, retrieval_scores, suggest_layer
    from ..pipeline.encoders import encoder_of

    english = KnownStates(nlp)
    options = CkaOptions(kinds=(("linear", True),))
    retrieval: Rows = []
    cka: Rows = []
    for text in read_texts(parallel, langs, limit, quiet):
        foreign = KnownStates(nlp)
        retrieval.extend(retrieval_rows(nlp, text, english, foreign=foreign))
        cka.extend(cka_rows(nlp, text, english, options, foreign))
    scores = {
        "retrieval": retrieval_scores(retrieval),
        "cka": cka_scores(cka),
        "cosine": cosine_scores(retrieval),
    }
    depth = encoder_of(nlp).num_layers
    return {name: suggest_layer(name, values, depth) for name, values in scores.items()}


def _from_raw(nlp: "Language", raw: Path, langs: str, limit: int) -> "dict[str, Suggestion]":
    import numpy

    from ..analysis.layer_choice import language_share, suggest_layer
    from ..analysis.raw_text import raw_files, read_raw
    from ..pipeline.encoders import encoder_of
    from ..pipeline.states import all_sentence_states

    files = raw_files(raw)
    states, names = [], []
    for name in wanted_languages(raw, files, langs):
        found = all_sentence_states(nlp, read_raw(files[name], limit))
        states.append(found)
        names.extend([name] * found.shape[1])
    vectors, languages = numpy.concatenate(states, axis=1), numpy.asarray(names)
    scores = {x: 1 - language_share(rows, languages) for x, rows in enumerate(vectors)}
    return {"neutrality": suggest_layer("neutrality", scores, encoder_of(nlp).num_layers)}


def _regret(table: Path, found: "dict[str, Suggestion]", out: Path | None, quiet: bool) -> None:
    from ..analysis.layer_choice import layer_regret
    from ..runs import read_table

    choices = {name: suggestion.layer for name, suggestion in found.items()}
    scores = read_table(table)
    # A sweep need not have each layer alone as well.
    alone = ["layer"] if (scores["aggregator"] == "layer").any() else []
    rows: Rows = [
        {str(k): v for k, v in row.items()}
        for name in ("dlfa", *alone)
        for row in layer_regret(scores, choices, aggregator=name).to_dict("records")
    ]
    if not quiet:
        show_rows("The regret of each choice", rows)
    write(out, "layer_regret", rows, False, None, quiet)
