"""Train on a corpus of your own, and score it in every language of the corpus.

    python examples/train_own.py my_corpus out --encoder bert-base-multilingual-cased \
        --learn-rate 2e-5 --steps 4000

The corpus has a folder a language: en/train.conllu, en/dev.conllu, de/test.conllu, ... (.iob2 for
entities). Only the source language is trained on. The commands that do the same are in the README:
`dlfa convert`, `dlfa init-config`, `spacy train`, `dlfa evaluate`.
"""

from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli.train import train

from dlfa_spacy.corpora import ReadingOptions, convert_files, plan, topics_of_jobs
from dlfa_spacy.evaluation import evaluate
from dlfa_spacy.evaluation.tables import to_markdown
from dlfa_spacy.recipes import make_config


def convert(source: Path, target: Path) -> None:
    """What `dlfa convert` does: public formats -> .spacy."""
    options = ReadingOptions()
    jobs = plan(source, target)
    topics = topics_of_jobs(jobs, options)
    for job in jobs:
        convert_files(job.inputs, job.output, job.part, options=options, topics=topics)


def main(
    corpus: Annotated[Path, typer.Argument(help="<lang>/<split>.conllu or .iob2")],
    out: Annotated[Path, typer.Argument(help="Folder for corpus, config and pipeline.")],
    encoder: Annotated[str, typer.Option(help="Folder or Hugging Face name.")] = "assets/encoder",
    task: Annotated[str, typer.Option(help="ner, pos or ner_pos.")] = "ner_pos",
    aggregation: Annotated[str, typer.Option(help="attention, dlfa, last, ...")] = "attention",
    source: Annotated[str, typer.Option(help="The language to train on.")] = "en",
    steps: Annotated[int, typer.Option(help="Training steps.")] = 200,
    learn_rate: Annotated[float, typer.Option(help="2e-5 for mBERT, more if it is small.")] = 5e-4,
) -> None:
    """Convert, train, evaluate zero-shot."""
    convert(corpus, out / "corpus")

    # A base config for the task with the aggregation put in. Train a second one with
    # aggregation="last" before you believe that another one helps.
    config = make_config(task, aggregation, encoder=encoder, steps=steps, learn_rate=learn_rate)
    config.to_disk(out / "config.cfg")

    # What `spacy train` does. The best step is chosen on the source language: whoever looks at
    # the targets no longer measures zero-shot transfer.
    overrides = {
        "paths.train": str(out / "corpus" / source / "train.spacy"),
        "paths.dev": str(out / "corpus" / source / "dev.spacy"),
    }
    train(out / "config.cfg", out / "training", overrides=overrides)

    nlp = spacy.load(out / "training" / "model-best")
    evaluation = evaluate(nlp, out / "corpus", source=source)
    print(to_markdown(evaluation))


if __name__ == "__main__":
    typer.run(main)
