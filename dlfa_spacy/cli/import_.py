"""`dlfa import`: what people corrected in an annotation tool, as a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def import_cli(
    tool: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="[bold]labelstudio[/], [bold]prodigy[/] or [bold]doccano[/].",
        ),
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="What the tool exported.")],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder that gets <language>/<split>.spacy.")
    ],
    language: Annotated[
        str, typer.Option("--language", "-l", help="Of the texts that do not say theirs.")
    ] = "",
    split: Annotated[str, typer.Option(help="Name of the files.")] = "train",
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="A pipeline whose tokenizer to use; by default that of the shipped configs.",
        ),
    ] = "",
    misaligned: Annotated[
        str,
        typer.Option(
            help="Entities that begin or end inside a token: [bold]expand[/] them, or [bold]drop"
            "[/] them."
        ),
    ] = "expand",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Turn corrected annotations into a corpus to train on, with [bold]doc._.language[/].

    Rejected, skipped and unanswered texts are left out, and relations and whatever else is neither
    an entity nor a category. What is left out or changed is counted and shown.

    [bold]Examples[/]

      [cyan]dlfa import labelstudio project-1.json corpus[/]

      [cyan]dlfa import prodigy corrected.jsonl corpus --language de --split dev[/]
    """
    with plain_errors():
        from ..annotation.exchange import Notes, find_tool, write_corpus
        from ..files.plain_names import A_NAME, is_plain_name
        from ..pipeline.sources import open_pipeline

        if not is_plain_name(split):
            raise ValueError(f"--split {split!r}: expected {A_NAME}. Fix: --split train.")
        notes = Notes()
        counts = write_corpus(
            find_tool(tool).read(source, notes),
            target,
            source=source,
            notes=notes,
            language=language or None,
            make_doc=open_pipeline(model).make_doc if model else None,
            misaligned=misaligned,
            split=split,
        )
        if not quiet:
            console = output()
            for name, count in sorted(counts.items()):
                path = shown(target / name / f"{split}.spacy")
                console.print(f"{count} texts: {path}", soft_wrap=True, highlight=False)
            for line in notes.in_words():
                console.print(line, highlight=False)
