"""What a pair of texts costs: against two single texts, and against the bare encoder.

    python benchmarks/pairs.py --page docs/pairs.md

The same parallel sentences of the embedded corpus, as pairs and as single texts, through the same
pipeline in the same process, in interleaved rounds; medians and ratios. Half of the difference can
be counted rather than timed: a pair has one special token less than two texts, but its wordpieces
attend to each other.
"""

import functools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import spacy
import torch
import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe
from dlfa_spacy.optimization.speed.rounds import measure
from dlfa_spacy.pairs import join_pair
from dlfa_spacy.recipes import read_aggregation

BATCHES = (8, 16, 32)


def main(
    encoder: Annotated[str, typer.Option(help="Folder of an encoder.")] = "assets/encoder",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    languages: Annotated[str, typer.Option(help="Languages of the texts.")] = "de,es,ru,zh,ar",
    rounds: Annotated[int, typer.Option(help="Timed rounds; one more to warm up.")] = 5,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    page: Annotated[
        Path | None,
        typer.Option(help="Put the table between the markers <!-- dlfa:pairs --> of this file."),
    ] = None,
) -> None:
    """Measure prediction with a transformer and a textcat that reads the sequence."""
    torch.set_num_threads(threads)
    texts = [pair for lang in languages.split(",") for pair in parallel(corpus, lang)]
    nlp = pipeline(encoder)
    pairs = [join_pair(*pair)[0] for pair in texts]
    singles = [text for pair in texts for text in pair]
    systems: dict[str, Callable[[], Any]] = {
        "pairs": lambda: annotate(nlp, pairs),
        "single texts, twice as many": lambda: annotate(nlp, singles),
    }
    loaded = load_encoder(encoder, {}, {})
    tokenizer, model = loaded.tokenizer, loaded.transformer.eval()
    for size in BATCHES:
        systems[f"bare forward of the pairs, batches of {size}"] = functools.partial(
            bare, model, tokenizer, texts, size
        )
    seconds = measure(systems, rounds)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    table = summarise(medians, len(texts))
    counts = {name: wordpieces(nlp, which) for name, which in (("p", pairs), ("s", singles))}
    note = (
        f"{len(texts)} pairs ({counts['p']:,} wordpieces) and their {len(singles)} texts one by "
        f"one ({counts['s']:,}), with the bundled encoder and `dlfa_spacy.TextCat.v1`, "
        f"fp32, medians of {rounds} interleaved rounds. ({describe(threads)}.)"
    )
    show(table)
    if page is not None:
        insert_between_markers(page, markdown(table, note), "<!-- dlfa:pairs -->")


def parallel(corpus: Path, lang: str) -> list[tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): Sentences of a language, and the same in English."""
    lines = (corpus / lang / "test.conllu").read_text(encoding="utf-8").splitlines()
    texts = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    english = [line.removeprefix("# text_en = ") for line in lines if line.startswith("# text_en")]
    return list(zip(texts, english, strict=True))


def pipeline(encoder: str) -> Language:
    """RETURNS (Language): A transformer and an untrained textcat."""
    nlp = spacy.blank("xx")
    model: dict[str, Any] = {"@architectures": "dlfa_spacy.TransformerModel.v1", "name": encoder}
    model["get_spans"] = {"@span_getters": "dlfa_spacy.wordpiece_spans.v1"}
    nlp.add_pipe("dlfa_transformer", name="transformer", config={"model": model})
    listener = {
        "@architectures": "dlfa_spacy.TransformerListener.v1",
        "aggregation": read_aggregation("attention"),
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    textcat = nlp.add_pipe(
        "textcat",
        config={
            "model": {
                "@architectures": "dlfa_spacy.TextCat.v1",
                "tok2vec": listener,
                "exclusive_classes": True,
            }
        },
    )
    for label in ("entailment", "neutral", "contradiction"):
        textcat.add_label(label)  # type: ignore[attr-defined]
    nlp.initialize()
    return nlp


def annotate(nlp: Language, texts: list[str]) -> None:
    for _ in nlp.pipe(texts, batch_size=256):
        pass


def wordpieces(nlp: Language, texts: list[str]) -> int:
    docs: list[Doc] = [nlp.make_doc(text) for text in texts]
    return len(nlp.get_pipe("transformer").model.segment(docs).ids)  # type: ignore[attr-defined]


def bare(model: Any, tokenizer: Any, texts: list[tuple[str, str]], size: int) -> None:
    """What an application without spaCy would write: sorted by length, tokenized and encoded."""
    ordered = sorted(texts, key=lambda pair: len(pair[0]) + len(pair[1]))
    with torch.inference_mode():
        for i in range(0, len(ordered), size):
            first, second = zip(*ordered[i : i + size], strict=True)
            inputs = tokenizer(
                list(first), list(second), padding=True, truncation=True, max_length=128
            )
            model(**inputs.convert_to_tensors("pt"))


def summarise(seconds: dict[str, float], pairs: int) -> list[tuple[str, str, str]]:
    """RETURNS (List[Tuple[str, str, str]]): System, pairs per second, relative time."""
    own = seconds["pairs"]
    return [
        (name, f"{pairs / value:,.0f}", f"{value / own:.2f}") for name, value in seconds.items()
    ]


def markdown(rows: list[tuple[str, str, str]], note: str) -> str:
    lines = [note, "", "| what | pairs/s | time, pairs = 1 |", "|---|---:|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def show(rows: list[tuple[str, str, str]]) -> None:
    table = Table("what", "pairs/s", "time, pairs = 1")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
