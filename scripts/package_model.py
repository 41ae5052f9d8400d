"""Turn a trained pipeline into an installable package with an honest card.

    python scripts/package_model.py training/embedded/attention/model-best packages \
        --scores metrics/embedded/attention/scores.json \
        --raw-scores metrics/embedded/attention-raw/scores.json --encoder assets/encoder
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer

from dlfa_spacy.about import __version__

# `spacy package` would pin spacy-transformers to the minor version it finds, and packages made so
# do not load with the next one. Both lines are supported and tested.
REQUIREMENTS = [
    f"dlfa-spacy>={__version__},<0.2.0",
    "spacy-transformers>=1.4,<2.1",
    "torch>=2.2",
]
SOURCES = "LICENSES_SOURCES"


def main(
    model: Annotated[Path, typer.Argument(help="The trained pipeline.")],
    out: Annotated[Path, typer.Argument(help="Folder for the package.")],
    scores: Annotated[Path, typer.Option(help="scores.json on gold tokens.")],
    raw_scores: Annotated[Path, typer.Option(help="scores.json on raw text.")],
    encoder: Annotated[Path, typer.Option(help="Folder of the encoder, for its card and licence.")],
    name: Annotated[str, typer.Option(help="Name of the package, without the language.")] = (
        "dlfa_ner"
    ),
    version: Annotated[str, typer.Option(help="Version of the package.")] = __version__,
) -> None:
    """Write the card from measured scores, add the licences, build sdist and wheel."""
    measured = json.loads(scores.read_text(encoding="utf-8"))
    raw = json.loads(raw_scores.read_text(encoding="utf-8"))
    nlp = spacy.load(model)
    nlp.meta.update(
        {
            "name": name,
            "version": version,
            "description": "Entities (PER, ORG, LOC) and universal parts of speech for texts in "
            "many languages: trained on English only, transferred zero-shot.",
            "author": "dlfa_spacy developers",
            "license": "CC BY-SA 4.0",
            "sources": [
                {
                    "name": "dlfa_spacy embedded corpus",
                    "license": "CC0 1.0",
                    "author": "dlfa_spacy developers",
                    "url": "https://creativecommons.org/publicdomain/zero/1.0/",
                },
                {
                    "name": "dlfa_spacy bundled encoder",
                    "license": "CC BY-SA 4.0",
                    "author": "dlfa_spacy developers; parent model and data in its card",
                    "url": "https://creativecommons.org/licenses/by-sa/4.0/",
                },
            ],
            "requirements": REQUIREMENTS,
            "performance": {
                **nlp.meta.get("performance", {}),
                "zero_shot_gold_tokens": per_language(measured),
                "zero_shot_raw_text": per_language(raw),
            },
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        pipeline = Path(folder) / "pipeline"
        nlp.to_disk(pipeline)
        (pipeline / "README.md").write_text(card(nlp.meta, measured, raw), encoding="utf-8")
        for source, target in (("LICENSE", "LICENSE"), ("README.md", SOURCES)):
            # An encoder from the Hub has its card there, not here.
            if (encoder / source).is_file():
                shutil.copy(encoder / source, pipeline / target)
        built = Path(folder) / "built"
        built.mkdir()
        build(pipeline, built)
        made = next(built.glob(f"xx_{name}-*"))
        target = out / made.name
        shutil.rmtree(target, ignore_errors=True)
        out.mkdir(parents=True, exist_ok=True)
        shutil.move(made, target)
        wheel = next((target / "dist").glob("*.whl"))
        (out / "latest.txt").write_text(wheel.name + "\n", encoding="utf-8")
    typer.echo(f"Wrote {target / 'dist' / wheel.name}")


def build(pipeline: Path, built: Path) -> None:
    """Run `spacy package`, without an isolated build environment: that one would want a network."""
    command = [sys.executable, "-m", "spacy", "package", str(pipeline), str(built)]
    command += ["--build", "none", "--force"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (package,) = [path for path in built.iterdir() if path.is_dir()]
    subprocess.run([sys.executable, "setup.py", "-q", "bdist_wheel"], check=True, cwd=package)


def per_language(scores: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Language -> metric -> value, as numbers that meta.json may hold."""
    return {
        lang: {metric: value for metric, value in result["scores"].items() if value is not None}
        for lang, result in scores["languages"].items()
    }


def card(meta: dict[str, Any], measured: dict[str, Any], raw: dict[str, Any]) -> str:
    """RETURNS (str): The package's README, every number in it from a measured file."""
    metrics = {
        metric: name
        for metric, name in (("ner_span_f1", "NER F1"), ("pos_token_accuracy", "POS accuracy"))
        if metric in measured["metrics"]
    }
    run = measured["run"]
    lines = [
        f"# xx_{meta['name']} {meta['version']}",
        "",
        meta["description"],
        "",
        "```python",
        "import spacy",
        "",
        f'nlp = spacy.load("xx_{meta["name"]}")',
        'doc = nlp("Angela Merkel wohnt in Berlin.")',
        "print([(ent.text, ent.label_) for ent in doc.ents])",
        "```",
        "",
        f"Trained on: {run['train_data']}. Aggregation: {run['variant']}. Seed {run['seed']}, one "
        "run.",
        "",
        "Scores on the test part of the embedded corpus (50 sentences a language), zero-shot "
        "everywhere but in English. A corpus this small tells whether the pipeline works, not "
        "which of two methods is better.",
        "",
        "| language | "
        + " | ".join(f"{m}, gold tokens | {m}, raw text" for m in metrics.values())
        + " |",
        "|---|" + "---:|---:|" * len(metrics),
    ]
    for lang, result in measured["languages"].items():
        cells = []
        for metric in metrics:
            for source in (result, raw["languages"].get(lang, {"scores": {}})):
                value = source["scores"].get(metric)
                cells.append("" if value is None else f"{100 * value:.1f}")
        lines.append(f"| {lang} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Licence: the weights are CC BY-SA 4.0 (see LICENSE); what they were made from is listed "
        f"in {SOURCES}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
