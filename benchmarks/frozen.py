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

from dlfa_spacy.corpora import read_docs
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe
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
        "| aggregation | first epoch | of it the encoder | later epochs, median "
        "| of it the encoder | without a cache |",
        "|:---|---:|---:|---:|---:|---:|",
    ]
    for name in aggregations.split(","):
        (first, encoding), *later = seconds(name, corpus, epochs, "2GB")
        (_, (without, _)) = seconds(name, corpus, 2, 0)
        cells = [f"{first:.1f} s", f"{encoding:.1f} s"]
        cells += [f"{median(part):.2f} s" for part in zip(*later, strict=True)]
        cells.append(f"{without:.1f} s")
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


def seconds(
    aggregation: str, corpus: Path, epochs: int, cache: int | str
) -> list[tuple[float, float]]:
    """RETURNS (List[Tuple[float, float]]): Seconds of each epoch, and those of it in which layers
    were encoded or looked up."""
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
    model = nlp.get_pipe("transformer").model
    encode, encoding = model.encode_frozen, [0.0]

    def timed(*args: Any, **kwargs: Any) -> Any:
        begin = time.perf_counter()
        batch = encode(*args, **kwargs)
        encoding[0] += time.perf_counter() - begin
        return batch

    if cache:
        model.encode_frozen = timed
    taken = []
    for _ in range(epochs):
        batches = list(minibatch(examples(), 32))
        encoding[0], begin = 0.0, time.perf_counter()
        for batch in batches:
            nlp.update(batch, sgd=optimizer, exclude=FROZEN, annotates=FROZEN)
        taken.append((time.perf_counter() - begin, encoding[0]))
    return taken


if __name__ == "__main__":
    typer.run(main)
