"""How long an epoch takes on a frozen encoder: the first, and those that find their layers kept.

    python benchmarks/frozen.py --page docs/frozen.md

Trains ner and tagger of the shipped config on the embedded English corpus, one process for all.
"""

import time
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from spacy.training import Example
from spacy.util import fix_random_seed, load_model_from_config, minibatch

from dlfa_spacy.benchmark.machine import describe
from dlfa_spacy.corpora import read_docs
from dlfa_spacy.evaluation.readme import insert_between_markers
from dlfa_spacy.recipes import make_config

MARKER = "<!-- dlfa:frozen -->"
FROZEN = ["transformer"]


def main(
    corpus: Annotated[Path, typer.Option(help="Sentences to train on.")] = Path(
        "assets/corpus/en/train.conllu"
    ),
    aggregations: Annotated[str, typer.Option(help="Separated by commas.")] = (
        "last,scalar,attention,dlfa"
    ),
    epochs: Annotated[int, typer.Option(min=2, help="Epochs with a cache.")] = 5,
    threads: Annotated[int, typer.Option(help="Of torch.")] = 2,
    page: Annotated[Path | None, typer.Option(help="Markdown file for the table.")] = None,
) -> None:
    """Measure, print, and put the table on a page."""
    torch.set_num_threads(threads)
    lines = [
        "| aggregation | first epoch | later epochs, median | times as fast | without a cache |",
        "|:---|---:|---:|---:|---:|",
    ]
    for name in aggregations.split(","):
        first, *later = seconds(name, corpus, epochs, "2GB")
        (_, without) = seconds(name, corpus, 2, 0)
        kept = median(later)
        cells = [f"{first:.1f} s", f"{kept:.2f} s", f"{first / kept:.1f}", f"{without:.1f} s"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        Console(stderr=True).print(lines[-1])
    lines += [
        "",
        f"Entities and tags of {len(list(read_docs(corpus)))} sentences, batches of 32; "
        f"{describe(threads)}.",
    ]
    table = "\n".join(lines)
    typer.echo(table)
    if page is not None:
        insert_between_markers(page, table, MARKER)


def seconds(aggregation: str, corpus: Path, epochs: int, cache: int | str) -> list[float]:
    """RETURNS (List[float]): Seconds of each epoch."""
    fix_random_seed(0)
    config = make_config("ner_pos", aggregation)
    config["components"]["transformer"]["cache"] = cache
    nlp: Any = load_model_from_config(config, auto_fill=True)
    docs = list(read_docs(corpus, vocab=nlp.vocab, language="en"))
    for doc in docs:
        for token in doc:
            token.tag_ = token.pos_

    def examples() -> list[Example]:
        return [Example(nlp.make_doc(doc.text), doc) for doc in docs]

    optimizer = nlp.initialize(examples)
    taken = []
    for _ in range(epochs):
        batches = list(minibatch(examples(), 32))
        begin = time.perf_counter()
        for batch in batches:
            nlp.update(batch, sgd=optimizer, exclude=FROZEN, annotates=FROZEN)
        taken.append(time.perf_counter() - begin)
    return taken


if __name__ == "__main__":
    typer.run(main)
