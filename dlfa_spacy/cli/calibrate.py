"""`dlfa calibrate`: confidences that are probabilities."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import output, plain_errors, progress, shown

if TYPE_CHECKING:
    from ..pipeline.confidence import Fitted


def calibrate_cli(
    model: Annotated[
        str, typer.Argument(help="A pipeline: its folder (training/model-best) or package name.")
    ],
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Each holds [bold]<lang>/<split>.spacy[/], as [cyan]dlfa convert[/] writes it."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the pipeline with confidences.")
    ],
    source: Annotated[str, typer.Option(help="The language trained on.")] = "en",
    split: Annotated[
        str, typer.Option(help="The split to fit on: nothing may have been trained on it.")
    ] = "dev",
    limit: Annotated[
        int, typer.Option(min=0, help="Texts to fit on, drawn with seed 0; 0: all.")
    ] = 0,
    beam_width: Annotated[
        int,
        typer.Option(
            min=2,
            help="Parses followed for the confidence of entities, if the pipeline has none yet.",
        ),
    ] = 16,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Make a pipeline say how sure it is: ent._.confidence, token._.pos_confidence, doc.cats.

    Adds the component dlfa_confidence, and fits it on annotated texts of the source language, so
    that of what has a confidence of 0.8 eight in ten are right. Whether that carries over to other
    languages tells [cyan]dlfa evaluate --calibration[/].

    [bold]Examples[/]

      [cyan]dlfa calibrate training/model-best corpus/ner --out training/calibrated[/]

    Entities and parts of speech, from a corpus each:

      [cyan]dlfa calibrate xx_dlfa_ner corpus/ner corpus/pos --out training/calibrated[/]
    """
    with plain_errors():
        from ..corpora.folder import find_languages
        from ..corpora.loading import read_docs
        from ..corpora.subset import sample
        from ..files.target_folder import refuse_to_overwrite
        from ..files.writing import replacing
        from ..pipeline.confidence import calibrate, find_confidence
        from ..pipeline.sources import open_pipeline

        refuse_to_overwrite(out, (out / "meta.json").is_file(), "pipeline")
        nlp = open_pipeline(model)
        component = find_confidence(nlp, beam_width)
        fitted = []
        with progress(quiet=quiet) as bar:
            for folder in folders:
                (files,) = find_languages(folder, (split,), (source,))
                found = list(read_docs(files.paths[0], vocab=nlp.vocab, language=source))
                golds = list(sample(iter(found), len(found), limit, 0))
                task = bar.add_task(f"Fitting on {folder.name}", total=len(golds), detail="texts")
                place = f"{folder.name}/{source}/{split}"
                step = partial(bar.advance, task)
                fitted += calibrate(nlp, golds, component, on_doc=step, texts=place)
        with replacing(out) as temporary:
            nlp.to_disk(temporary)
        if not quiet:
            _show(fitted)
            output().print(f"Wrote {shown(out)}", soft_wrap=True)


def _show(fitted: "list[Fitted]") -> None:
    from rich.table import Table

    from ..files.markdown import percent

    table = Table(title="Confidence", header_style="bold", title_justify="left")
    for name in ("component", "predictions", "right", "confidence", "now", "ECE", "now"):
        table.add_column(name, justify="left" if name == "component" else "right")
    for one in fitted:
        table.add_row(
            one.component,
            f"{one.after.n:,}",
            percent(one.after.accuracy),
            percent(one.before.confidence),
            percent(one.after.confidence),
            percent(one.before.error),
            percent(one.after.error),
        )
    output().print(table)
