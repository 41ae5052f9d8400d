"""Route mail in many languages by topic, with a pipeline that learnt the topics in English.

    python examples/route_mail.py mail.jsonl

Input is one JSON object a line with "text". A mail whose topic is uncertain goes to a person: the
score of a classifier is a guess, in a language it was not trained on more so.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import spacy
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language

UNSURE = "a person"


def route(
    nlp: Language, mails: Iterable[str], at_least: float = 0.5
) -> dict[str, list[tuple[float, str]]]:
    """RETURNS (Dict[str, List[Tuple[float, str]]]): The mails of each desk, with their scores."""
    desks: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for doc in nlp.pipe(mails):
        topic, score = max(doc.cats.items(), key=lambda item: item[1])
        desks[topic if score >= at_least else UNSURE].append((score, doc.text))
    return dict(desks)


def main(
    mails: Annotated[Path, typer.Argument(help='JSONL with "text".')],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A pipeline with a textcat.")
    ] = "training/topic/dlfa/model-best",
    at_least: Annotated[float, typer.Option(help="Less sure mails go to a person.")] = 0.5,
) -> None:
    """Print each desk's mail."""
    nlp = spacy.load(model)
    with mails.open(encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file if line.strip()]
    table = Table("desk", "sure", "mail")
    for desk, found in sorted(route(nlp, texts, at_least).items()):
        for score, text in found:
            table.add_row(desk, f"{score:.2f}", text)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
