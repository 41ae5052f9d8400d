"""`dlfa project-labels`: silver corpora of other languages, from translations."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import comma_list, output, plain_errors, progress, shown

if TYPE_CHECKING:
    from ..annotation.projection import Tally


def project_labels_cli(
    parallel: Annotated[
        Path,
        typer.Argument(help="Parallel text: a file, or a folder of files, <xx>-en.*."),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Folder that gets <language>/<split>.spacy."),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", help="Pipeline for the English side: folder or package."),
    ] = "xx_dlfa_ner",
    langs: Annotated[str, typer.Option(help="Only these: de,fr. Default: all.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Pairs per language; 0: all.")] = 0,
    labels: Annotated[
        str, typer.Option(help="What to carry over: entities,tags,categories.")
    ] = "entities",
    encoder: Annotated[
        str,
        typer.Option(help="Folder or Hub name of what links words; default: the pipeline's own."),
    ] = "",
    layer: Annotated[
        int | None,
        typer.Option(help="Its layer. Default: two thirds of the way up, 8 of 12."),
    ] = None,
    max_gap: Annotated[
        int,
        typer.Option(
            min=0, help="Words inside an entity that are not linked to it, at most in a row."
        ),
    ] = 1,
    lost: Annotated[
        str,
        typer.Option(
            help="A sentence that lost an entity: [bold]mask[/] the words where it may be, or "
            "[bold]drop[/] the sentence."
        ),
    ] = "mask",
    min_confidence: Annotated[
        float,
        typer.Option(min=0, max=1, help="Entities with less ent._.confidence count as lost."),
    ] = 0.0,
    split: Annotated[str, typer.Option(help="Name of the files.")] = "train",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Annotate the English side of parallel text, carry the labels over to its translations, and
    write a corpus to train on for each language.

    An entity goes from the least to the greatest word that is linked to it. It is lost if no word
    is, if these words stand too far apart, or if it would overlap with another. Links are those in
    the file, or else words that an encoder finds most similar.

    [bold]Examples[/]

      [cyan]dlfa project-labels parallel/ silver[/]

    Only what the pipeline is sure of, in sentences that lost nothing:

      [cyan]dlfa project-labels parallel/ silver --model training/calibrated --min-confidence 0.8
      --lost drop[/]
    """
    with plain_errors():
        from ..annotation.projection import EncoderLinks, Projection, write_silver
        from ..files.plain_names import A_NAME, is_plain_name
        from ..pipeline.encoders import find_encoder
        from ..pipeline.sources import open_pipeline, open_source

        if not is_plain_name(split):
            raise ValueError(f"--split {split!r}: expected {A_NAME}. Fix: --split train.")
        settings = Projection(comma_list(labels), max_gap, lost, min_confidence)
        nlp = open_pipeline(model)
        linking = open_source(encoder) if encoder else nlp
        linker = EncoderLinks(linking, layer) if find_encoder(linking) is not None else None
        with progress(quiet=quiet) as bar:
            task = bar.add_task("Projecting", total=None, detail="pairs")
            tallies = write_silver(
                parallel,
                out,
                nlp,
                linker,
                settings,
                languages=comma_list(langs),
                limit=limit,
                split=split,
                on_pair=partial(bar.advance, task),
            )
        if not quiet:
            _show(tallies)
            output().print(f"Wrote {shown(out)}", soft_wrap=True)


def _show(tallies: "dict[str, Tally]") -> None:
    from rich.table import Table

    from ..annotation.projection import REASONS

    table = Table(title="Entities", header_style="bold", title_justify="left")
    for name in ("language", "pairs", "written", "entities", "carried", *REASONS):
        table.add_column(name, justify="left" if name == "language" else "right")
    for language, tally in tallies.items():
        counts = [tally.pairs, tally.written, tally.entities, tally.carried]
        counts += [tally.lost[reason] for reason in REASONS]
        table.add_row(language, *(f"{count:,}" for count in counts))
    output().print(table)
