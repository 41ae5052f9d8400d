"""Send each text to the pipeline of its language; texts of other languages go to one for all.

    python examples/routing.py texts.txt --route zh=zh_core_web_sm --route de=my_german
    python examples/routing.py texts.txt --model training/ner/model-best --languages de,en,zh

Input is one text a line. The language comes from `dlfa_language`, which needs
pip install "dlfa_spacy[language]". One whose language is unknown goes to the pipeline for all, too.
"""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.language import get_language, set_language

# Texts that wait for each other, so that every pipeline gets batches and not single texts.
CHUNK = 1000


def language_finder(languages: list[str] | None = None) -> Language:
    """RETURNS (Language): A pipeline that only says which language a text is in."""
    nlp = spacy.blank("xx")
    nlp.add_pipe("dlfa_language", config={"languages": languages})
    return nlp


def route(
    texts: Iterable[str], finder: Language, routes: dict[str, Language], default: Language
) -> Iterator[Doc]:
    """YIELDS (Doc): In the order of the texts, from their pipelines, with `doc._.language`."""
    texts = iter(texts)
    while chunk := list(itertools.islice(texts, CHUNK)):
        found = [get_language(doc) for doc in finder.pipe(chunk)]
        streams: dict[int, Iterator[Doc]] = {}
        for nlp in {id(nlp): nlp for nlp in (*routes.values(), default)}.values():
            own = [
                with_language(nlp, text, language)
                for text, language in zip(chunk, found, strict=True)
                if routes.get(language or "", default) is nlp
            ]
            streams[id(nlp)] = nlp.pipe(own)
        for language in found:
            yield next(streams[id(routes.get(language or "", default))])


def with_language(nlp: Language, text: str, language: str | None) -> Doc:
    """RETURNS (Doc): Not processed yet: components may read its language."""
    doc = nlp.make_doc(text)
    set_language(doc, language)
    return doc


def main(
    texts: Annotated[Path, typer.Argument(help="One text a line.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="The pipeline for all languages: name or folder.")
    ] = "xx_dlfa_ner",
    route_: Annotated[
        list[str] | None,
        typer.Option("--route", help="LANGUAGE=PIPELINE, as often as there are such pipelines."),
    ] = None,
    languages: Annotated[
        str, typer.Option(help="Languages that the texts can be in: de,en,zh. By default, any.")
    ] = "",
) -> None:
    """Print the language of each text, and its entities."""
    names = dict(item.split("=", 1) for item in route_ or [])
    finder = language_finder(languages.split(",") if languages else None)
    routes = {language: spacy.load(name) for language, name in names.items()}
    with texts.open(encoding="utf-8") as file:
        lines = (line.strip() for line in file if line.strip())
        for doc in route(lines, finder, routes, spacy.load(model)):
            entities = ", ".join(f"{entity.text} ({entity.label_})" for entity in doc.ents)
            print(f"{get_language(doc) or 'unknown'}\t{doc.text[:40]}\t{entities}")


if __name__ == "__main__":
    typer.run(main)
