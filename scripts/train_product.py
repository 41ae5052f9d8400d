"""Train the shipped pipeline: entities, parts of speech, sentences and topics from English alone.

    python scripts/train_product.py DATA assets/xx_dlfa_ner

DATA holds `pos/en` (UD EWT), `ner-uner/en`, `ner-open-en` and `topic/en` in their public formats.
The encoder is frozen. Every component is trained for itself, once for each aggregation that could
suit it, and the best on English development data is taken, on which its confidences are fitted.
OUT/heads gets the components without the encoder (`dlfa_spacy.pipeline.heads`), and OUT/chosen.json
what was chosen from.
"""

import io
import json
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import spacy
import srsly
import typer
from rich.console import Console
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training.initialize import init_nlp
from spacy.training.loop import train
from thinc.api import Config

from dlfa_spacy.about import __version__
from dlfa_spacy.corpora import read_docs, write_text
from dlfa_spacy.pipeline.confidence import calibrate, find_confidence
from dlfa_spacy.pipeline.encoders import encoder_of
from dlfa_spacy.pipeline.heads import save_heads
from dlfa_spacy.pipeline.sources import encoder_pipeline
from dlfa_spacy.recipes import listeners, make_config, read_aggregation

CONSOLE = Console()
# Stands in a run's folder while it trains.
UNFINISHED = "unfinished"
# Where sentences end is soon learned, and a text of several has to be encoded for it once more.
PARAGRAPH_SENTENCES = 3000
UPPER = list(range(4, 13))
# What may suit a component: the last layer, layers between, and ways to leave it to training.
AGGREGATIONS: dict[str, dict[str, Any]] = {
    "H7-8": {"@layers": "dlfa_spacy.MeanLayers.v1", "layers": [7, 8]},
    "H4-10": {"@layers": "dlfa_spacy.MeanLayers.v1", "layers": [4, 5, 6, 7, 8, 9, 10]},
    "H9-12": {"@layers": "dlfa_spacy.MeanLayers.v1", "layers": [9, 10, 11, 12]},
    "last": {"@layers": "dlfa_spacy.LastLayer.v1"},
    "scalar": {
        "@layers": "dlfa_spacy.SelectedLayers.v1",
        "layers": UPPER,
        "aggregation": {**read_aggregation("scalar"), "lr_scale": 10.0},
    },
    "dlfa_sigmoid": {**read_aggregation("dlfa_sigmoid"), "layer": 7},
}


@dataclass
class Task:
    """A component of the pipeline, and how it is trained."""

    name: str
    component: str
    base: str
    score: str
    steps: int
    batch: int
    learn_rate: float
    dropout: float
    aggregations: list[str]


TASKS = [
    Task("pos", "tagger", "pos", "tag_acc", 1200, 64, 1e-3, 0.2,
         ["H7-8", "H4-10", "last", "scalar", "dlfa_sigmoid"]),
    Task("ner", "ner", "ner", "ents_f", 1500, 32, 1e-3, 0.2, ["H7-8", "last", "dlfa_sigmoid"]),
    Task("sentences", "senter", "pos", "sents_f", 600, 32, 1e-3, 0.2, ["H7-8", "H4-10", "last"]),
    Task("topic", "textcat", "textcat", "cats_score", 300, 64, 1e-2, 0.0,
         ["H4-10", "H9-12", "last", "scalar"]),
]  # fmt: skip

# Tasks whose development data confidences are fitted on.
CALIBRATED = ("ner", "pos", "topic")


def main(
    data: Annotated[Path, typer.Argument(help="Folder of the English corpora.")],
    out: Annotated[Path, typer.Argument(help="Folder of the shipped components.")],
    encoder: Annotated[Path, typer.Option(help="The encoder's folder.")] = Path("assets/encoder"),
    work: Annotated[
        Path | None, typer.Option(help="Folder for corpora, layers (4 GB) and runs.")
    ] = None,
    tasks: Annotated[str, typer.Option(help="Train only these, and write nothing to OUT.")] = "",
    seed: Annotated[int, typer.Option(help="Of every run.")] = 0,
) -> None:
    """Train, choose, put together."""
    with tempfile.TemporaryDirectory() as temporary:
        work = work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        nlp = blank(encoder, work / "layers")
        write_corpora(nlp, data, work, seed)
        encode(nlp, work)
        wanted = [task for task in TASKS if not tasks or task.name in tasks.split(",")]
        chosen = {}
        report: dict[str, Any] = {"seed": seed, "version": __version__, "tasks": {}}
        for task in wanted:
            scores = {name: run(task, name, encoder, work, seed) for name in task.aggregations}
            best = max(scores, key=lambda name: scores[name])
            chosen[task.component] = work / "runs" / task.name / best / "model-best"
            report["tasks"][task.name] = {
                "metric": task.score,
                "development": scores,
                "chosen": best,
                "steps": task.steps,
                "batch": task.batch,
                "learn_rate": task.learn_rate,
                "dropout": task.dropout,
            }
            CONSOLE.print(f"{task.name}: {best} of {scores}")
        if tasks:
            return
        product = assemble(blank(encoder), chosen)
        component = find_confidence(product)
        for name in CALIBRATED:
            golds = DocBin().from_disk(work / name / "dev.spacy").get_docs(product.vocab)
            calibrate(product, golds, component, texts=f"{name}/en/dev")
        save_heads(product, out / "heads")
        # Words of the corpora are nothing that a component needs.
        labels = {label for found in product.pipe_labels.values() for label in found}
        srsly.write_json(out / "heads" / "vocab" / "strings.json", sorted(labels))
        write_text(out / "chosen.json", json.dumps(report, indent=2) + "\n")
        CONSOLE.print(f"Wrote {out / 'heads'} and {out / 'chosen.json'}")


def blank(encoder: Path, cache: Path | None = None) -> Language:
    """RETURNS (Language): The pipeline without components that train."""
    nlp = encoder_pipeline(str(encoder), **({} if cache is None else {"cache": str(cache)}))
    model = encoder_of(nlp)
    model.load()
    tokenizer: Any = nlp.tokenizer
    tokenizer.learn_pieces(model.tokenizer)
    return nlp


def write_corpora(nlp: Language, data: Path, work: Path, seed: int) -> None:
    """Write train and dev of every task."""

    def read(name: str) -> list[Doc]:
        found = read_docs(data / name, vocab=nlp.vocab, language="en", make_doc=nlp.make_doc)
        return [doc for doc in found if len(doc)]

    treebank = {split: read(f"pos/en/{split}.conllu") for split in ("train", "dev")}
    # SEC filings and tweets (whose account names are no persons in running text) were tried too,
    # and did not help on the development data.
    entities = [*read("ner-uner/en/test.iob2"), *read("ner-open-en/wikigold.iob2")]
    corpora = {
        "pos": treebank,
        "ner": {"train": entities, "dev": read("ner-uner/en/dev.iob2")},
        "sentences": {
            split: list(paragraphs(nlp, docs[:PARAGRAPH_SENTENCES], seed))
            for split, docs in treebank.items()
        },
        "topic": {split: read(f"topic/en/{split}.tsv") for split in ("train", "dev")},
    }
    for task, splits in corpora.items():
        for split, docs in splits.items():
            path = work / task / f"{split}.spacy"
            path.parent.mkdir(parents=True, exist_ok=True)
            DocBin(docs=docs).to_disk(path)


def paragraphs(nlp: Language, docs: Iterable[Doc], seed: int) -> Iterator[Doc]:
    """YIELDS (Doc): Sentences joined to texts of one to eight."""
    rng = random.Random(seed)
    rest = list(docs)
    while rest:
        size = rng.randint(1, 8)
        part, rest = rest[:size], rest[size:]
        words = [token.text for doc in part for token in doc]
        spaces = [
            bool(token.whitespace_) or token.i == len(doc) - 1 for doc in part for token in doc
        ]
        starts: list[bool | int | None] = [token.i == 0 for doc in part for token in doc]
        yield Doc(nlp.vocab, words=words, spaces=spaces, sent_starts=starts)


def encode(nlp: Language, work: Path) -> None:
    """Encode every text once, all layers that somebody may read."""
    model = encoder_of(nlp)
    for path in sorted(work.glob("*/*.spacy")):
        docs = sorted(DocBin().from_disk(path).get_docs(nlp.vocab), key=lambda doc: len(doc.text))
        with CONSOLE.status(f"Encoding {path.relative_to(work)}"):
            for begin in range(0, len(docs), 256):
                model.encode_frozen(docs[begin : begin + 256], UPPER)


def run(task: Task, aggregation: str, encoder: Path, work: Path, seed: int) -> float:
    """Train a component, unless that was done in this folder before.

    RETURNS (float): Its best score on English development data.
    """
    config = training_config(task, AGGREGATIONS[aggregation], encoder, work, seed)
    folder = work / "runs" / task.name / aggregation
    if not folder.is_dir() or (folder / UNFINISHED).exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / UNFINISHED).mkdir(parents=True)
        with CONSOLE.status(f"Training {task.name} on {aggregation}"):
            train(init_nlp(config), folder, stdout=io.StringIO(), stderr=io.StringIO())
        shutil.rmtree(folder / UNFINISHED)
    meta = spacy.util.load_meta(folder / "model-best" / "meta.json")
    return float(meta["performance"][task.score])


def training_config(
    task: Task, aggregation: dict[str, Any], encoder: Path, work: Path, seed: int
) -> Config:
    """RETURNS (Config): A shipped config with this aggregation, its encoder frozen."""
    config = make_config(
        task.base,
        "last",
        encoder=str(encoder),
        steps=task.steps,
        learn_rate=task.learn_rate,
        frozen=True,
    )
    components = config["components"]
    if task.component == "senter":
        model = components.pop("tagger")["model"]
        del components["attribute_ruler"], config["initialize"]["components"]
        components["senter"] = {"factory": "senter", "model": model}
        config["nlp"]["pipeline"] = ["transformer", "senter", "doc_cleaner"]
        # Sentences are found in texts of several, and in the tokens that raw text has.
        config["corpora"]["train"]["gold_preproc"] = False
        config["corpora"]["dev"]["gold_preproc"] = False
    for listener in listeners(components):
        listener["aggregation"] = dict(aggregation)
    components["transformer"]["cache"] = str(work / "layers")
    for split in ("train", "dev"):
        config["paths"][split] = str(work / task.name / f"{split}.spacy")
    config["system"]["seed"] = seed
    training = config["training"]
    training["dropout"] = task.dropout
    training["batcher"]["size"] = task.batch
    training["optimizer"]["L2"] = 0.01
    training["score_weights"] = {task.score: 1.0}
    training["logger"]["progress_bar"] = False
    return config


def assemble(nlp: Language, chosen: dict[str, Path]) -> Language:
    """RETURNS (Language): All components on one encoder."""
    for component in ("senter", "tagger", "ner", "textcat"):
        source = spacy.load(chosen[component])
        nlp.add_pipe(component, source=source)
        if component == "tagger":
            nlp.add_pipe("attribute_ruler", source=source)
    nlp.add_pipe("dlfa_doc_cleaner", name="doc_cleaner")
    nlp.meta.update(name="dlfa_ner", version=__version__)
    return nlp


if __name__ == "__main__":
    typer.run(main)
