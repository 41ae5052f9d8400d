"""Requests per second by threads, and how many answers are wrong: this package and stock spaCy.

    python benchmarks/threads.py --page docs/threads.md --csv docs/benchmarks/threads.csv

One pipeline in one process: an encoder and a tagger that reads its last layer. Each request is one
text, `nlp(text)`, in one of so many threads. An answer is wrong if the encoder's vectors are not,
bit by bit, those that the text gets while nothing else runs.
"""

import csv
import io
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy
import spacy
import torch
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example

from dlfa_spacy.encoder.storage.int4_folder import save_floats
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.files.writing import write_text
from dlfa_spacy.optimization.speed.machine import describe

HEADER = ["pipeline", "threads", "requests", "requests_per_second", "wrong", "errors"]
SPANS = {"@span_getters": "spacy-transformers.doc_spans.v1"}
POOLING = {"@layers": "reduce_mean.v1"}


def main(
    encoder: Annotated[str, typer.Option(help="Folder of an encoder.")] = "assets/encoder",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    languages: Annotated[str, typer.Option(help="Languages of the texts.")] = "de,es,ru,zh,ar,hi",
    requests: Annotated[int, typer.Option(help="Texts.")] = 96,
    threads: Annotated[str, typer.Option(help="How many threads, one after the other.")] = (
        "1,2,8,32"
    ),
    rounds: Annotated[int, typer.Option(help="Rounds; the speed is their median.")] = 3,
    torch_threads: Annotated[int, typer.Option(help="Threads of torch in each request.")] = 1,
    page: Annotated[
        Path | None,
        typer.Option(help="Put the table between the markers <!-- dlfa:threads --> of this file."),
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the figures here.")] = None,
) -> None:
    """Ask the same texts by more and more threads."""
    torch.set_num_threads(torch_threads)
    texts = read_texts(corpus, languages.split(","), requests)
    with tempfile.TemporaryDirectory() as folder:
        # Stock spaCy reads no encoder in four bits.
        loaded = load_encoder(encoder, {}, {})
        save_floats(loaded.transformer, loaded.tokenizer, Path(folder))
        pipelines = {"dlfa-spacy": own(folder), "spacy-transformers": stock(folder)}
        # In turn, so that whatever else the machine does meets all of them.
        asked = {
            (name, count, number): ask(nlp, texts, count)
            for number in range(rounds)
            for count in map(int, threads.split(","))
            for name, nlp in pipelines.items()
        }
    rows = [
        [name, count, len(texts) * rounds, *summary(asked, name, count, rounds)]
        for name in pipelines
        for count in map(int, threads.split(","))
    ]
    table = Table(*HEADER)
    for row in rows:
        table.add_row(*map(cell, row))
    Console().print(table)
    if csv_file is not None:
        content = io.StringIO()
        csv.writer(content, lineterminator="\n").writerows([HEADER, *(map(cell, r) for r in rows)])
        write_text(csv_file, content.getvalue())
    if page is not None:
        note = (
            f"{len(texts)} texts in {len(languages.split(','))} languages, {rounds} times in "
            f"turn, medians; the bundled encoder in fp32. ({describe(torch_threads)}.)"
        )
        insert_between_markers(page, markdown(rows, note), "<!-- dlfa:threads -->")


def summary(
    asked: dict[tuple[str, int, int], tuple[float, int, int]], name: str, count: int, rounds: int
) -> tuple[float, int, int]:
    """RETURNS (Tuple[float, int, int]): The median of the speeds, and all wrong answers and
    errors."""
    speeds, wrong, errors = zip(*(asked[name, count, i] for i in range(rounds)), strict=True)
    return statistics.median(speeds), sum(wrong), sum(errors)


def read_texts(corpus: Path, languages: list[str], count: int) -> list[str]:
    """RETURNS (List[str]): Texts of all languages in turn."""
    texts = []
    for lang in languages:
        lines = (corpus / lang / "test.conllu").read_text(encoding="utf-8").splitlines()
        found = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
        texts.append(found[: -(-count // len(languages))])
    return [text for group in zip(*texts, strict=True) for text in group][:count]


def own(folder: str) -> Language:
    """RETURNS (Language): With `dlfa_transformer`."""
    listener = {
        "@architectures": "dlfa_spacy.TransformerListener.v1",
        "aggregation": {"@layers": "dlfa_spacy.LastLayer.v1"},
        "pooling": POOLING,
    }
    model = {"@architectures": "dlfa_spacy.TransformerModel.v1", "name": folder}
    return pipeline("dlfa_transformer", model, listener)


def stock(folder: str) -> Language:
    """RETURNS (Language): Without anything of this package."""
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "pooling": POOLING}
    model = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": folder}
    return pipeline("transformer", {**model, "get_spans": SPANS}, listener)


def pipeline(factory: str, model: dict[str, Any], listener: dict[str, Any]) -> Language:
    nlp = spacy.blank("xx")
    nlp.add_pipe(factory, name="transformer", config={"model": model})
    tagger = {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": tagger})
    doc = Doc(nlp.vocab, words=["Anna", "lives"], tags=["NOUN", "VERB"])
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc)])
    return nlp


def ask(nlp: Language, texts: list[str], threads: int) -> tuple[float, int, int]:
    """RETURNS (Tuple[float, int, int]): Requests per second, wrong answers, errors."""

    def request(text: str) -> bytes:
        try:
            return vectors(nlp(text))
        except Exception as error:
            # Whatever one thread does to another is counted.
            return repr(error).encode()

    expected = [vectors(nlp(text)) for text in texts]
    begin = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(request, texts))
    seconds = time.perf_counter() - begin
    wrong = sum(a != b for a, b in zip(expected, found, strict=True))
    errors = sum(len(answer) < 300 for answer in found)
    return len(texts) / seconds, wrong, errors


def vectors(doc: Doc) -> bytes:
    return numpy.asarray(doc._.trf_data.model_output["last_hidden_state"]).tobytes()


def cell(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def markdown(rows: list[list[Any]], note: str) -> str:
    lines = [
        note,
        "",
        "| pipeline | threads | requests/s | wrong answers |",
        "|---|---:|---:|---:|",
    ]
    for name, threads, requests, speed, wrong, _ in rows:
        lines.append(f"| {name} | {threads} | {speed:.1f} | {wrong} of {requests} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
