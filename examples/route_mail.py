"""Route mail in many languages by topic, with a pipeline that learned the topics in English.

    python examples/route_mail.py
    python examples/route_mail.py my-mails.jsonl --model training/topic/model-best

Input is one JSON object a line with "text", and with "lang" and "desk" (where it belongs) if they
are known. A mail whose topic is uncertain goes to a person: the score of a classifier is a guess,
in a language it was not trained on more so.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import spacy
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from spacy.language import Language

UNSURE = "a person"
MAILS = Path(__file__).parent.parent / "assets" / "mails.jsonl"


def route(
    nlp: Language, mails: Iterable[str], at_least: float = 0.5
) -> Iterator[tuple[str, float]]:
    """YIELDS (Tuple[str, float]): The desk of each mail, and how sure the pipeline is."""
    for doc in nlp.pipe(mails):
        topic, score = max(doc.cats.items(), key=lambda item: item[1])
        yield (topic if score >= at_least else UNSURE), score


def main(
    mails: Annotated[Path, typer.Argument(help='JSONL with "text", "lang" and "desk".')] = MAILS,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A pipeline with a textcat: name or folder.")
    ] = "xx_dlfa_ner",
    at_least: Annotated[float, typer.Option(help="Less sure mails go to a person.")] = 0.5,
    least: Annotated[int, typer.Option(help="Exit with 1 if fewer reach their desk.")] = 28,
) -> None:
    """Print where each mail goes, and how many go where they belong."""
    nlp = spacy.load(model)
    with mails.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    table = Table("language", "mail", "desk", "sure", "right")
    right = 0
    found = route(nlp, (row["text"] for row in rows), at_least)
    for row, (desk, score) in zip(rows, found, strict=True):
        mark = ""
        if "desk" in row:
            right += desk == row["desk"]
            mark = "[green]✓[/]" if desk == row["desk"] else f"[red]✗ {escape(row['desk'])}[/]"
        first = " ".join(row["text"][:40].split())
        table.add_row(row.get("lang", ""), escape(first), escape(desk), f"{score:.2f}", mark)
    console = Console()
    console.print(table)
    known = sum("desk" in row for row in rows)
    if known:
        console.print(f"{right} of {known} mails reached their desk.")
        if right < least:
            console.print(f"[bold red]Expected at least {least}.[/]")
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
