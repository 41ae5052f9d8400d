"""`dlfa analyze`: why transfer works or does not, on any trained pipeline or encoder."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import comma_list, output, plain_errors, progress, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from spacy.language import Language
    from spacy.tokens import Doc

    from ..parallel.text import ParallelText

Rows = list[dict[str, Any]]
Lines = Mapping[str, Mapping[int, float]]

analyze_app = typer.Typer(
    help="Why transfer works or does not: what the layers of an encoder share between languages, "
    "and what a trained pipeline reads.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

Source = Annotated[
    str,
    typer.Argument(
        help="A trained pipeline (folder or package), or an encoder (folder, or name on the Hub)."
    ),
]
Pipeline = Annotated[str, typer.Argument(help="A trained pipeline: its folder or package.")]
Parallel = Annotated[
    Path,
    typer.Argument(
        help="Parallel text: <language>-en.tsv with lines of foreign TAB English, or a folder of "
        "such files."
    ),
]
Corpus = Annotated[
    Path,
    typer.Argument(help="Holds [bold]<lang>/<split>.spacy[/], .conllu, .iob2 or .tsv."),
]
Langs = Annotated[str, typer.Option("--langs", help="Only these languages: de,fr. Default: all.")]
Limit = Annotated[int, typer.Option(min=0, help="Sentences a language; 0: all.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for the table (CSV) and plot (SVG).")
]
Plot = Annotated[bool, typer.Option("--plot/--no-plot", help="Draw it too (matplotlib).")]
Batch = Annotated[int, typer.Option(min=1, help="Sentences encoded at once.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


@analyze_app.command("cka")
def cka_cli(
    source: Source,
    parallel: Parallel,
    langs: Langs = "",
    limit: Limit = 1000,
    size: Annotated[
        int, typer.Option(min=4, help="Sentences in a batch; mean and deviation are over batches.")
    ] = 125,
    seed: Annotated[int, typer.Option(help="Of the shuffled control.")] = 0,
    batch_size: Batch = 64,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """How similarly each layer arranges the same sentences in English and in other languages.

    CKA, linear and RBF, debiased and not, over batches that share no sentence, and beside each
    the same with no sentence beside its translation. Writes [bold]cka.csv[/] and [bold]cka.svg[/].

    [bold]Example[/]

      [cyan]dlfa analyze cka assets/encoder pud/ --limit 500 --out analysis[/]
    """
    with plain_errors():
        from ..analysis.curves import CkaOptions, KnownStates, cka_rows
        from ..pipeline.sources import open_source, source_name

        nlp = open_source(source)
        english = KnownStates(nlp, batch_size=batch_size)
        options = CkaOptions(size=size, seed=seed)
        rows: Rows = []
        for text in _texts(parallel, langs, limit, quiet):
            rows.extend(cka_rows(nlp, text, english, options))
        main = [row for row in rows if row["kernel"] == "linear" and row["debiased"]]
        series, control = _series(main, "cka"), {"shuffled": _mean(_series(main, "shuffled"))}
        label = "debiased linear CKA with English"
        if not quiet:
            _show(f"{source_name(source)}: {label}", {**series, "mean": _mean(series), **control})
        _write(out, "cka", rows, plot, lambda: _curves(source, series, label, control), quiet)


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
    word_limit: Annotated[int, typer.Option(min=0, help="Words a language; 0: all.")] = 5000,
    k: Annotated[int, typer.Option(min=1, help="Neighbours of CSLS.")] = 10,
    seed: Annotated[int, typer.Option(help="Of the controls.")] = 0,
    batch_size: Batch = 64,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """From which layers translations are found, and how near each other they are.

    Accuracy by cosine and CSLS in both directions, as the vectors are and with the mean of each
    language taken away (the free baseline of every alignment); mean cosine of translations and of
    shuffled pairs; isotropy. Writes [bold]retrieval.csv[/] and [bold]retrieval.svg[/].

    [bold]Example[/]

      [cyan]dlfa analyze retrieval training/model-best pud/ --out analysis[/]
    """
    with plain_errors():
        from ..analysis.curves import KnownStates, retrieval_rows
        from ..pipeline.sources import open_source, source_name

        nlp = open_source(source)
        english = KnownStates(nlp, batch_size=batch_size)
        rows: Rows = []
        for text in _texts(parallel, langs, limit, quiet):
            rows.extend(
                retrieval_rows(
                    nlp, text, english, words=words, k=k, word_limit=word_limit, seed=seed
                )
            )
        for row in rows:
            row["csls"] = (row["csls_to_en"] + row["csls_from_en"]) / 2
        plain = [row for row in rows if not row["centred"]]
        series = _series(plain, "csls")
        control = {
            "mean, centred": _mean(_series([row for row in rows if row["centred"]], "csls")),
            "chance": {row["layer"]: 1 / row["n"] for row in plain},
        }
        label = f"{'word' if words else 'sentence'} retrieval, CSLS, both directions"
        if not quiet:
            table = {**series, "mean": _mean(series), **control}
            table["mean cosine of translations"] = _mean(_series(plain, "mean_cosine"))
            table["mean cosine, shuffled"] = _mean(_series(plain, "shuffled_cosine"))
            _show(f"{source_name(source)}: {label}", table)
        for row in rows:
            del row["csls"]
        name = "retrieval_words" if words else "retrieval"
        _write(out, name, rows, plot, lambda: _curves(source, series, label, control), quiet)


@analyze_app.command("vectors")
def vectors_cli(
    source: Source,
    parallel: Parallel,
    langs: Langs = "",
    limit: Limit = 1000,
    k: Annotated[int, typer.Option(min=1, help="Neighbours of CSLS.")] = 10,
    batch_size: Batch = 64,
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """Which settings of [bold]dlfa_sentence_vectors[/] find translations best.

    Single layers, means of several, and SBERT-WK, as they are and centred by language. Means are
    learned from the first half of the pairs, retrieval is scored on the second. Writes
    [bold]vectors.csv[/].

    [bold]Example[/]

      [cyan]dlfa analyze vectors assets/encoder pud/ --limit 500 --out analysis[/]
    """
    with plain_errors():
        from ..analysis.vector_recipes import Known, recipe_rows
        from ..pipeline.sources import open_source

        nlp = open_source(source)
        known: Known = {}
        rows: Rows = []
        for text in _texts(parallel, langs, limit, quiet):
            rows.extend(recipe_rows(nlp, text, known, k, batch_size))
        if not quiet:
            _show_rows("Retrieval, the mean over languages and both directions", _by_recipe(rows))
        _write(out, "vectors", rows, False, None, quiet)


@analyze_app.command("aggregator")
def aggregator_cli(
    pipeline: Pipeline,
    corpus: Corpus,
    langs: Langs = "",
    split: Annotated[str, typer.Option(help="As in [cyan]dlfa evaluate[/].")] = "test,dev",
    limit: Limit = 200,
    batch_size: Batch = 64,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """What a trained pipeline's aggregation does: layer weights, or the gate of DLFA.

    Weights by component, language and UPOS tag (the corpus's own tags, if it has any):
    [bold]layer_weights.csv[/] and [bold].svg[/]. The gate's mean, deviation and share outside
    [0, 1], by component and language: [bold]gates.csv[/].

    [bold]Example[/]

      [cyan]dlfa analyze aggregator training/model-best corpus/pos --out analysis[/]
    """
    with plain_errors():
        from ..analysis.gates import gate_rows
        from ..analysis.weights import ALL, weight_rows
        from ..pipeline.inspection import named_aggregators
        from ..pipeline.sources import open_source

        nlp = open_source(pipeline)
        modules = [module for _, module in named_aggregators(nlp)]
        has_gates = any(module.has_gate for module in modules)
        has_weights = any(module.layer_weights() is not None for module in modules)
        if not has_gates and not has_weights:
            raise ValueError(
                f"No component of {pipeline} has an aggregation that learns anything about layers. "
                "Expected LayerAttention, ScalarMix or DoubleLayerFusion. Fix: name another "
                "pipeline."
            )
        if has_weights:
            rows = list(weight_rows(nlp, _docs(nlp, corpus, langs, split, limit), batch_size))
            main = _by_group(row for row in rows if ALL in (row["upos"], row["language"]))
            if not quiet:
                _show("Layer weights", {k: dict(enumerate(v)) for k, v in main.items()}, percent=0)
            _write(out, "layer_weights", rows, plot, lambda: _heat_map(main), quiet)
        if has_gates:
            rows = list(gate_rows(nlp, _docs(nlp, corpus, langs, split, limit), batch_size))
            if not quiet:
                _show_rows("The gate of DLFA: the weight of the lower layer", rows)
            _write(out, "gates", rows, False, None, quiet)


@analyze_app.command("drift")
def drift_cli(
    pipeline: Pipeline,
    base: Annotated[
        str, typer.Argument(help="The encoder it was made from: its folder, or name on the Hub.")
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
        from ..analysis.drift import drift_rows
        from ..pipeline.sources import open_source, source_name

        sentences = _monolingual(texts, langs, limit, quiet)
        rows = list(drift_rows(open_source(base), open_source(pipeline), sentences))
        series = _series(rows, "drift")
        label = "drift by fine-tuning (1 - cosine)"
        if not quiet:
            mean_cka = {"mean CKA (linear)": _mean(_series(rows, "cka_linear"))}
            table = {**series, "mean": _mean(series), **mean_cka}
            _show(f"{source_name(pipeline)}: {label}", table, percent=0)
        _write(out, "drift", rows, plot, lambda: _curves(pipeline, series, label, {}), quiet)


@analyze_app.command("tsne")
def tsne_cli(
    source: Source,
    parallel: Parallel,
    layer: Annotated[int, typer.Option(help="Which; negative ones count from the end.")] = -1,
    langs: Langs = "",
    limit: Annotated[int, typer.Option(min=3, help="Pairs a language.")] = 60,
    words: Annotated[
        bool, typer.Option("--words/--sentences", help="Linked words, or sentences.")
    ] = True,
    names: Annotated[
        bool, typer.Option("--names/--no-names", help="Write the words beside their points.")
    ] = True,
    center: Annotated[
        bool, typer.Option("--center/--no-center", help="Take away each language's mean.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of its start.")] = 0,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """Lay parallel words (or sentences) of one layer out on a plane, by t-SNE (scikit-learn).

    Writes [bold]tsne_<lang>.csv[/] and [bold].svg[/] for each language.

    [bold]Example[/]

      [cyan]dlfa analyze tsne assets/encoder de-en.tsv --layer 4 --sentences --out analysis[/]
    """
    with plain_errors():
        from ..analysis.curves import KnownStates
        from ..analysis.tsne import tsne_rows
        from ..analysis.words import word_pairs
        from ..metrics.similarity import centred
        from ..pipeline.sources import open_source, source_name
        from ..report import plots

        nlp = open_source(source)
        for text in _texts(parallel, langs, 0 if words else limit, quiet):
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
            _write(out, f"tsne_{text.language}", rows, plot, figure, quiet)


@analyze_app.command("random-init")
def random_init_cli(
    table: Annotated[
        Path, typer.Argument(help="The table of [cyan]dlfa sweep[/]: its folder, or a CSV file.")
    ],
    source: Annotated[str, typer.Option(help="The language trained on.")] = "en",
    reference: Annotated[str, typer.Option(help="Aggregator of the runs without.")] = "last",
    out: Out = None,
    quiet: Quiet = False,
) -> None:
    """What it costs each language, and the gap, that blocks start from random weights.

    Reads the runs of a sweep with methods [bold]reinit...[/] (RANDOM-INIT of *First Align, then
    Predict*), paired by seed with those of the reference. Writes [bold]random_init.csv[/].

    [bold]Example[/]

      [cyan]dlfa analyze random-init sweep/ --out analysis[/]
    """
    with plain_errors():
        from ..analysis.random_init import random_init_summary, sentences
        from ..runs import read_table

        summary = random_init_summary(read_table(table), source, reference)
        rows = [{str(k): v for k, v in row.items()} for row in summary.to_dict("records")]
        if not quiet:
            shown_rows = [r for r in rows if r["language"] in (source, "targets", "gap")]
            _show_rows("RANDOM-INIT: score with blocks drawn anew, less the reference", shown_rows)
            for sentence in sentences(summary, source):
                output().print(sentence, highlight=False)
        _write(out, "random_init", rows, False, None, quiet)


def _texts(path: Path, langs: str, limit: int, quiet: bool) -> "Iterator[ParallelText]":
    """YIELDS (ParallelText): The languages wanted, with a progress bar over them."""
    from ..parallel.text import parallel_files, read_parallel

    files = parallel_files(path)
    wanted = comma_list(langs) or list(files)
    missing = [name for name in wanted if name not in files]
    if missing:
        raise ValueError(
            f"{path}: has no {', '.join(missing)}, only {', '.join(files)}. Fix: check --langs."
        )
    with progress(quiet=quiet) as bar:
        task = bar.add_task("Languages", total=len(wanted), detail="")
        for name in wanted:
            bar.update(task, description=f"Reading {name}")
            yield read_parallel(files[name], limit)
            bar.advance(task)


def _monolingual(path: Path, langs: str, limit: int, quiet: bool) -> dict[str, list[str]]:
    """RETURNS (Dict[str, List[str]]): Language -> sentences."""
    from ..analysis.raw_text import raw_files, read_raw

    if path.is_dir() and sorted(path.glob("*.txt")):
        files = raw_files(path)
        wanted = comma_list(langs) or list(files)
        return {name: read_raw(files[name], limit) for name in wanted if name in files}
    found: dict[str, list[str]] = {}
    for text in _texts(path, langs, limit, quiet):
        found.setdefault("en", text.english)
        found[text.language] = text.foreign
    return found


def _docs(nlp: "Language", corpus: Path, langs: str, split: str, limit: int) -> "Iterator[Doc]":
    """YIELDS (Doc): Texts of a corpus with their gold tokens and tags."""
    from itertools import islice

    from ..corpora import read_docs
    from ..corpora.folder import LanguageFiles, find_languages

    def docs(files: LanguageFiles) -> "Iterator[Doc]":
        for path in files.paths:
            yield from read_docs(path, vocab=nlp.vocab, language=files.language)

    for files in find_languages(corpus, comma_list(split), comma_list(langs)):
        yield from islice(docs(files), limit or None)


def _series(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, dict[int, float]]:
    """RETURNS (Dict[str, Dict[int, float]]): Language -> layer -> value."""
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row["language"], {})[row["layer"]] = row[key]
    return found


def _mean(series: Lines) -> dict[int, float]:
    layers = sorted({layer for values in series.values() for layer in values})
    found = {}
    for layer in layers:
        values = [line[layer] for line in series.values() if layer in line]
        found[layer] = sum(values) / len(values)
    return found


def _by_recipe(rows: Rows) -> Rows:
    """RETURNS (List[Dict[str, Any]]): Recipe, and accuracies of it as it is and centred."""
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


def _by_group(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        group = "all" if row["language"] == row["upos"] else f"{row['language']} {row['upos']}"
        group = group.replace("all ", "").replace(" all", "")
        found.setdefault(f"{row['component']}: {group}", []).append(row["weight"])
    return found


def _curves(source: str, series: Lines, label: str, control: Lines) -> "Figure":
    from ..pipeline.sources import source_name
    from ..report import plots

    title = f"{source_name(source)}: {label}"
    return plots.curves(series, title=title, label=label, controls=control)


def _heat_map(rows: Mapping[str, list[float]]) -> "Figure":
    from ..report import plots

    return plots.heat_map(rows, title="With which weight each layer reaches a component")


def _write(out: Path | None, name: str, rows: Rows, plot: bool, figure: Any, quiet: bool) -> None:
    """Write table and plot; without a folder, nothing."""
    if out is None:
        return
    from ..files.csv_table import write_csv
    from ..report import plots

    paths = [write_csv(out / f"{name}.csv", rows)]
    if plot and figure is not None:
        paths.append(plots.save(figure(), out / f"{name}.svg"))
    if not quiet:
        for path in paths:
            output().print(f"Wrote {shown(path)}", soft_wrap=True)


def _show(title: str, lines: Lines, percent: int = 1) -> None:
    """Print a line for each name and a column for each layer; accuracies in percent."""
    from rich.table import Table

    layers = sorted({layer for values in lines.values() for layer in values})
    table = Table(title=title, header_style="bold", title_justify="left")
    table.add_column("layer")
    for layer in layers:
        table.add_column(str(layer), justify="right")
    for name, values in lines.items():
        cells = [values.get(layer) for layer in layers]
        digits = ["" if v is None else f"{100 * v:.1f}" if percent else f"{v:.3f}" for v in cells]
        table.add_row(name, *digits)
    output().print(table)


def _show_rows(title: str, rows: Rows) -> None:
    from rich.table import Table

    table = Table(title=title, header_style="bold", title_justify="left")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()))
    output().print(table)
