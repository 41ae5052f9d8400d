"""`dlfa export`: texts with a pipeline's predictions, for people to correct."""

from pathlib import Path
from typing import Annotated

import typer

from .console import messages, output, plain_errors, shown

TASKS = ("entities", "categories")


def export_cli(
    tool: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="[bold]labelstudio[/], [bold]prodigy[/] or [bold]doccano[/].",
        ),
    ],
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help='Texts: .jsonl with "text" and, if known, "language"; .spacy; or a text a line.',
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="File to write.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="The pipeline: folder or package.")
    ] = "xx_dlfa_ner",
    limit: Annotated[int, typer.Option(min=0, help="Texts to write; 0 for all.")] = 0,
    only: Annotated[
        str,
        typer.Option(help="Of a pipeline with both: [bold]entities[/] or [bold]categories[/]."),
    ] = "",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Write predictions for an annotation tool, the least certain first, languages in turn.

    A text is as certain as its least certain entity ([bold]ent._.confidence[/], where the pipeline
    sets it), or as its category. Texts without confidence keep their order, behind the others of
    their language. The language is that of the input, or what a [bold]dlfa_language[/] in the
    pipeline says. Prints what to paste into the settings of the project.

    [bold]Examples[/]

      [cyan]dlfa export labelstudio texts.jsonl tasks.json --model training/ner/model-best[/]

    The 200 most worthwhile texts, topics only:

      [cyan]dlfa export doccano texts.txt tasks.jsonl --only categories --limit 200[/]
    """
    with plain_errors():
        from ..annotation.exchange import (
            find_tool,
            labels_of,
            least_certain_first,
            predict,
            read_texts,
        )
        from ..checks import check_choice
        from ..files.writing import replacing
        from ..pipeline.sources import open_pipeline

        found = find_tool(tool)
        if only:
            check_choice("--only", only, TASKS)
        nlp = open_pipeline(model)
        labels = labels_of(nlp, [only] if only else TASKS)
        name = f"{nlp.meta['lang']}_{nlp.meta['name']}-{nlp.meta['version']}"
        records = least_certain_first(predict(nlp, read_texts(source), labels), limit)
        with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file_:
            file_.writelines(found.write(records, labels, name))
        if not quiet:
            languages = len({record.language for record in records})
            said = f"Wrote {len(records)} texts, {languages} languages: {shown(target)}"
            messages().print(said, soft_wrap=True)
            output().print(found.setup(labels), markup=False, highlight=False, soft_wrap=True)
