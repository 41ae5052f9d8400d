"""Annotate a file of texts in many languages.

    python examples/mixed_languages.py assets/smoke.jsonl annotated.jsonl

Input is one JSON object a line with "text" and, where it is known, "lang". Lines stream through:
neither the input nor the output is ever in memory as a whole.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.corpora import register_language_extension, replacing

# Lines in one memory zone. What the vocab learned from them is forgotten afterwards.
ZONE = 1000


def read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """YIELDS (Tuple[str, Dict[str, Any]]): A text, and the whole line as its context."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                row = json.loads(line)
                yield row["text"], row


def annotate(nlp: Language, texts: Iterable[tuple[str, dict[str, Any]]]) -> Iterator[Doc]:
    """YIELDS (Doc): In the order of the texts, with `doc._.language`."""
    # `doc.lang_` is the language of the vocab: "xx" for all of them.
    register_language_extension()
    for doc, row in nlp.pipe(texts, as_tuples=True):
        doc._.language = row.get("lang")
        yield doc


def to_json(doc: Doc) -> dict[str, Any]:
    return {
        "text": doc.text,
        "lang": doc._.language,
        "entities": [[e.start_char, e.end_char, e.label_] for e in doc.ents],
        "pos": [token.pos_ for token in doc],
    }


def main(
    source: Annotated[Path, typer.Argument(help="JSONL with text and lang.")],
    target: Annotated[Path, typer.Argument(help="JSONL with entities and parts of speech.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A pipeline: folder or package.")
    ] = "xx_dlfa_ner",
) -> None:
    """Read texts, write annotations, line by line."""
    nlp = spacy.load(model)
    texts = read(source)
    count = 0
    # Written under another name first: a run that breaks off leaves no half file behind.
    with replacing(target) as temporary, temporary.open("w", encoding="utf-8") as file:
        while chunk := list(itertools.islice(texts, ZONE)):
            # Every new word stays in the vocab for good, unless it came in a zone. A Doc must not
            # be used after its zone, so it is written inside.
            with nlp.memory_zone():
                for doc in annotate(nlp, chunk):
                    file.write(json.dumps(to_json(doc), ensure_ascii=False) + "\n")
                    count += 1
    print(f"Wrote {count} lines: {target}")


if __name__ == "__main__":
    typer.run(main)
