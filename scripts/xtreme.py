"""XTREME's zero-shot protocol on a folder of corpora: convert, train on English, evaluate.

    python scripts/xtreme.py convert DATA corpus/xtreme
    python scripts/xtreme.py train corpus/xtreme training/xtreme --aggregation dlfa
    python scripts/xtreme.py evaluate corpus/xtreme training/xtreme metrics --aggregation dlfa

The recipe (google-research/xtreme, scripts/train_{udpos,panx,xnli,pawsx}.sh): AdamW with epsilon
1e-8, no weight decay, no warm-up, linear decay, batches of 32, 2e-5; 10 epochs for tagging, 5 for
pairs; the checkpoint by English dev. Topics (SIB-200) are no task of XTREME and are trained for 10.
Differences: thinc clips the gradient of each tensor to norm 1 where XTREME clips the global norm;
entities are found by spaCy's transition-based parser where XTREME has a softmax on each first
wordpiece; and the checkpoint of a classifier is chosen by macro F1 where XTREME takes accuracy.
"""

import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.tokens import DocBin

BATCH = 32


@dataclass(frozen=True)
class Task:
    """A task of the protocol.

    folders (Tuple[str, ...]): What its corpora may be called below the data folder.
    config (str): The base config.
    epochs (int): Passes over the English training set, by the recipe.
    format (str): How `dlfa convert` reads them. The format of a corpus also knows its labels.
    """

    folders: tuple[str, ...]
    config: str
    epochs: int
    format: str = "auto"

    def source(self, data: Path) -> Path | None:
        """RETURNS (Optional[Path]): Its folder, if there is one."""
        return next((data / name for name in self.folders if (data / name).is_dir()), None)


TASKS = {
    "pos": Task(("pos", "udpos"), "pos", 10),
    "ner": Task(("ner-wikiann", "panx", "ner"), "ner", 10),
    "xnli": Task(("xnli", "nli"), "textcat", 5, "xnli"),
    "pawsx": Task(("pawsx", "paraphrase"), "textcat", 5, "pawsx"),
    "topic": Task(("topic", "sib200"), "textcat", 10),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Names = Annotated[str, typer.Option(help="Separated by commas.")]
Aggregation = Annotated[str, typer.Option(help="Name of a file in configs/aggregations.")]
Layer = Annotated[str, typer.Option(help='Lower layer of DLFA, or "default".')]
Seed = Annotated[int, typer.Option(help="Seed of the training and of the subsets.")]
Gpu = Annotated[int, typer.Option(help="-1 is the CPU.")]


@app.command()
def convert(
    data: Annotated[Path, typer.Argument(help="Holds pos/, ner-wikiann/, xnli/, pawsx/, topic/.")],
    out: Annotated[Path, typer.Argument(help="Folder for <task>/<lang>/<split>.spacy.")],
    tasks: Names = "pos,ner",
    languages: Names = "en,de,es,fr,nl,pt,ru,ar,hi,zh",
    train_limit: Annotated[int, typer.Option(help="English training texts; 0 is all.")] = 0,
    seed: Seed = 0,
) -> None:
    """Convert the corpora of each task."""
    for task in known_tasks(tasks):
        source = TASKS[task].source(data)
        if source is None:
            folder = TASKS[task].folders[0]
            raise SystemExit(
                f"{data / folder}: there is no such folder. Expected {folder}/<lang>/<split> for "
                f'the task "{task}". Fix: `spacy project assets`, or --vars.data FOLDER.'
            )
        how = ["--format", TASKS[task].format]
        spacy_dlfa("convert", source, out / task, "--langs", languages, *how)
        if train_limit:
            limit = ["--limit", train_limit, "--seed", seed]
            spacy_dlfa(
                "convert", source, out / task, "--langs", "en", "--splits", "train", *how, *limit
            )


@app.command()
def train(
    corpus: Annotated[Path, typer.Argument(help="Written by convert.")],
    out: Annotated[Path, typer.Argument(help="Folder for the runs.")],
    tasks: Names = "pos,ner",
    aggregation: Aggregation = "attention",
    layer: Layer = "default",
    encoder: Annotated[str, typer.Option(help="Folder or name.")] = "assets/encoder",
    epochs: Annotated[int, typer.Option(help="Passes over the training set; 0: the recipe's.")] = 0,
    learn_rate: Annotated[float, typer.Option(help="2e-5 is XTREME's, for BERT-base.")] = 2e-5,
    warmup: Annotated[float, typer.Option(help="Part of the steps; XTREME has none.")] = 0.0,
    dev_limit: Annotated[int, typer.Option(help="English dev texts; 0 is all.")] = 0,
    seed: Seed = 0,
    gpu_id: Gpu = -1,
) -> None:
    """Train each task on English."""
    for task in known_tasks(tasks):
        folder = out / run_name(aggregation, layer, seed) / task
        english = corpus / task / "en"
        passes = epochs or TASKS[task].epochs
        steps = passes * math.ceil(count(english / "train.spacy") / BATCH)
        dev = english / "dev.spacy"
        if dev_limit:
            dev = folder / "dev.spacy"
            subset(english / "dev.spacy", dev, dev_limit)
        options = ["--task", TASKS[task].config, "--aggregation", aggregation, "--encoder", encoder]
        options += ["--steps", steps, "--learn-rate", learn_rate]
        options += [] if layer == "default" else ["--layer", layer]
        config = folder / "config.cfg"
        spacy_dlfa("init-config", config, *options)
        command = ["train", config, "--output", folder]
        command += ["--paths.train", english / "train.spacy", "--paths.dev", dev]
        warmup_steps = round(warmup * steps)
        command += ["--training.optimizer.learn_rate.warmup_steps", warmup_steps]
        run_spacy(*command, "--system.seed", seed, "--gpu-id", gpu_id)


@app.command()
def evaluate(
    corpus: Annotated[Path, typer.Argument(help="Written by convert.")],
    runs: Annotated[Path, typer.Argument(help="Written by train.")],
    out: Annotated[Path, typer.Argument(help="Folder for the scores.")],
    tasks: Names = "pos,ner",
    aggregation: Aggregation = "attention",
    layer: Layer = "default",
    limit: Annotated[int, typer.Option(help="Texts of each test set; 0 is all.")] = 0,
    seed: Seed = 0,
    gpu_id: Gpu = -1,
) -> None:
    """Score each task in every language; dev where a language has no test split."""
    name = run_name(aggregation, layer, seed)
    for task in known_tasks(tasks):
        n_train = count(corpus / task / "en" / "train.spacy")
        options = ["--split", "test,dev", "--limit", limit, "--gpu-id", gpu_id]
        options += ["--run-name", name, "--seed", seed]
        options += ["--train-data", f"{task}/en/train, {n_train} texts"]
        model = runs / name / task / "model-best"
        spacy_dlfa("evaluate", model, corpus / task, "--out", out / name / task, *options)


def known_tasks(tasks: str) -> list[str]:
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    unknown = [name for name in names if name not in TASKS]
    if unknown or not names:
        raise SystemExit(
            f"--tasks {tasks}: expected some of {', '.join(TASKS)}, separated by commas. "
            "Fix: --tasks pos,ner."
        )
    return names


def run_name(aggregation: str, layer: str, seed: int) -> str:
    return f"{aggregation}-{layer}-{seed}"


def count(path: Path) -> int:
    """RETURNS (int): Docs in a .spacy file."""
    return len(DocBin().from_disk(path))


def subset(source: Path, target: Path, limit: int) -> None:
    """Write the first Docs of a .spacy file to another one."""
    docs = DocBin(store_user_data=True).from_disk(source).get_docs(spacy.blank("xx").vocab)
    kept = [doc for _, doc in zip(range(limit), docs, strict=False)]
    target.parent.mkdir(parents=True, exist_ok=True)
    DocBin(docs=kept, store_user_data=True).to_disk(target)


def spacy_dlfa(*arguments: object) -> None:
    run_spacy("dlfa", *arguments)


def run_spacy(*arguments: object) -> None:
    command = [sys.executable, "-m", "spacy", *[str(argument) for argument in arguments]]
    result = subprocess.run(command)
    if result.returncode != 0:
        raise SystemExit(result.returncode)


if __name__ == "__main__":
    app()
