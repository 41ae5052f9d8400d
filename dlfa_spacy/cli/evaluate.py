"""`dlfa evaluate`: zero-shot scores per language."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import comma_list, output, plain_errors, progress, shown
from .convert import Multiword

if TYPE_CHECKING:
    from spacy.language import Language

    from ..corpora.folder import LanguageFiles
    from ..evaluation import Evaluation


def evaluate_cli(
    model: Annotated[
        str,
        typer.Argument(
            help="A pipeline: its folder (training/model-best) or package name. Or several, one "
            "after the other: separated by commas."
        ),
    ],
    folder: Annotated[
        Path,
        typer.Argument(
            help="Holds [bold]<lang>/<split>.spacy[/], as [cyan]dlfa convert[/] writes it; "
            ".conllu, .iob2 and .tsv are read directly."
        ),
    ],
    langs: Annotated[
        str, typer.Option("--langs", help="Only these languages: de,fr. Default: all.")
    ] = "",
    split: Annotated[
        str,
        typer.Option(help="The split to score. test,dev takes the first that each language has."),
    ] = "test",
    source: Annotated[
        str,
        typer.Option(help="The language trained on: not a target; the gap is measured from it."),
    ] = "en",
    gold_tokens: Annotated[
        bool,
        typer.Option(
            "--gold-tokens/--raw-text",
            help="Give the pipeline the corpus's tokens, as XTREME does, or raw text to tokenize.",
        ),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for scores.json, scores.csv and scores.md. Of several pipelines each has "
            "a folder in it, of its run's name.",
        ),
    ] = None,
    raw_out: Annotated[
        Path | None,
        typer.Option(help="Score raw text too, and write those scores to this folder."),
    ] = None,
    examples: Annotated[
        int,
        typer.Option(
            min=0,
            help="Texts with errors to keep per language, the first ones, in examples.json (with "
            "--out), for [cyan]dlfa report --sentences[/].",
        ),
    ] = 0,
    calibration: Annotated[
        bool,
        typer.Option(
            "--calibration",
            help="Compare confidences with what is right, of a pipeline from [cyan]dlfa "
            "calibrate[/].",
        ),
    ] = False,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Texts per batch; 0 for the pipeline's own setting.")
    ] = 0,
    limit: Annotated[
        int,
        typer.Option(min=0, help="Texts per language to score, drawn with seed 0; 0: all."),
    ] = 0,
    store: Annotated[
        Path | None,
        typer.Option(
            help="Keep the encoder's layers of each text in this folder, and take those that are "
            "there, as [cyan]dlfa sweep --store[/]: for several pipelines on one frozen encoder."
        ),
    ] = None,
    multiword: Annotated[
        Multiword, typer.Option(help="How .conllu files are read, see [cyan]dlfa convert[/].")
    ] = Multiword.surface,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU, or -1 for the CPU.")] = -1,
    code: Annotated[
        Path | None, typer.Option("--code", "-c", help="Python file with your own functions.")
    ] = None,
    run_name: Annotated[
        str,
        typer.Option(
            help="For the report: name of the run, or of each, separated by commas. Default: the "
            "folder or package."
        ),
    ] = "",
    variant: Annotated[
        str,
        typer.Option(
            help="For the report: the method. Default: read from the pipeline's config (last, "
            "attention, dlfa-product, dlfa-sigmoid, control, ...)."
        ),
    ] = "",
    seed: Annotated[
        int | None,
        typer.Option(help="For the report: seed of training. Default: from the pipeline's config."),
    ] = None,
    train_data: Annotated[
        str, typer.Option(help="For the report: what it was trained on, in words.")
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Score a pipeline in every language of a folder: zero-shot transfer, in one table.

    Every task that both the pipeline and the corpus have is scored: span F1 of entities, accuracy
    and XTREME's chunk F1 of POS tags, accuracy of features, LAS and UAS of trees, F1 of sentences
    and spans, accuracy and macro F1 of categories; then the mean over the target languages, and
    the gap to the source language. Texts stream through, so a corpus of any size fits into memory.

    [bold]Examples[/]

    Every language, scores on the screen:

      [cyan]dlfa evaluate training/model-best corpus/ner[/]

    Dev where a language has no test split, and files for [cyan]dlfa report[/]:

      [cyan]dlfa evaluate training/model-best corpus/ner --split test,dev --out runs/dlfa-1[/]

    What a user with raw text only would see:

      [cyan]dlfa evaluate xx_dlfa_ner corpus/ner --raw-text --langs de,zh[/]

    A pipeline beside its baseline, to runs/last and runs/dlfa:

      [cyan]dlfa evaluate training/last/model-best,training/dlfa/model-best corpus/ner --out runs[/]
    """
    with plain_errors():
        import spacy

        from ..corpora import ReadingOptions
        from ..evaluation import write_evaluation
        from ..pipeline.sources import open_pipeline

        # A folder may have a comma in its name.
        one = Path(model).expanduser().exists()
        pipelines = [model] if one else comma_list(model) or [model]
        names = _run_names(pipelines, comma_list(run_name))
        if code is not None:
            spacy.util.import_file("python_code", code)
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
        for pipeline, name in zip(pipelines, names, strict=True):
            scored = functools.partial(
                _score,
                open_pipeline(pipeline, store),
                folder,
                quiet=quiet,
                languages=comma_list(langs),
                splits=comma_list(split),
                source=source,
                batch_size=batch_size or None,
                limit=limit,
                options=ReadingOptions(multiword=multiword.value),
                run={
                    "name": name,
                    "variant": variant or None,
                    "seed": seed,
                    "train_data": train_data or None,
                },
                n_examples=examples,
                calibration=calibration,
            )
            first = scored(gold_tokens=gold_tokens)
            evaluations = [(first, out)]
            if raw_out is not None:
                raw = scored(gold_tokens=False) if gold_tokens else first
                evaluations.append((raw, raw_out))
            for evaluation, target in evaluations:
                if not quiet:
                    _show(evaluation)
                if target is None:
                    continue
                target = target / name if len(pipelines) > 1 else target
                for path in write_evaluation(evaluation, target):
                    if not quiet:
                        output().print(f"Wrote {shown(path)}", soft_wrap=True)


def _run_names(pipelines: Sequence[str], given: Sequence[str]) -> list[str]:
    """RETURNS (List[str]): The run of each pipeline: as given, or after its folder, as spaCy calls
    the best one model-best, or its package."""
    if given and len(given) != len(pipelines):
        raise ValueError(
            f"--run-name: found {len(given)} names, expected {len(pipelines)}, one for each "
            "pipeline. Fix: name each, or none."
        )
    names = list(given)
    if not names:
        for pipeline in pipelines:
            path = Path(pipeline).expanduser().resolve()
            name = path.parent.name if path.name in ("model-best", "model-last") else path.name
            names.append(name if path.is_dir() else pipeline)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(
            f"--run-name: found {twice!r} for two pipelines, expected a name for each. Fix: "
            f"--run-name {','.join(f'{name}-{n}' for n, name in enumerate(names, 1))}."
        )
    return names


def _score(nlp: "Language", folder: Path, *, quiet: bool, **settings: Any) -> "Evaluation":
    """RETURNS (Evaluation): The scores; a bar for each language meanwhile."""
    from ..evaluation import evaluate

    with progress(quiet=quiet) as bar:
        task = bar.add_task("Loading", total=None, detail="texts")

        def on_language(files: "LanguageFiles") -> None:
            nonlocal task
            bar.remove_task(task)
            task = bar.add_task(
                f"Scoring {files.language} ({files.split})", total=None, detail="texts"
            )

        return evaluate(
            nlp,
            folder,
            on_language=on_language,
            on_doc=lambda: bar.advance(task),
            on_total=None if bar.disable else lambda number: bar.update(task, total=number),
            **settings,
        )


def _show(evaluation: "Evaluation") -> None:
    from rich.table import Table

    from ..evaluation.tables import CALIBRATION_NOTE, calibration_rows, score_rows

    header, rows, footer = score_rows(evaluation)
    run = evaluation.run
    table = Table(
        title=f"{run['name']}: {run['variant']}", header_style="bold", title_justify="left"
    )
    for index, name in enumerate(header):
        table.add_column(name, justify="left" if index < 2 else "right")
    for index, row in enumerate(rows):
        table.add_row(*row, end_section=index == len(rows) - 1)
    for row in footer:
        table.add_row(*row, style="bold")
    console = output()
    console.print(table)
    for sentence in evaluation.statements():
        console.print(sentence, highlight=False)
    header, rows = calibration_rows(evaluation)
    if rows:
        table = Table(title="Confidence", header_style="bold", title_justify="left")
        for index, name in enumerate(header):
            table.add_column(name, justify="left" if index < 2 else "right")
        for row in rows:
            table.add_row(*row)
        console.print(table)
        console.print(CALIBRATION_NOTE, highlight=False)
