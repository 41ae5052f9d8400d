"""Words per second: the bare encoder, stock spacy-transformers, and ours with every aggregation.

    python benchmarks/speed.py --encoder assets/encoder
    python benchmarks/speed.py --shape base --rounds 3 --page docs/benchmarks.md

All of them encode the same texts with the same weights in the same process, in interleaved rounds;
the figures are medians, and the comparison is by ratios. The limit is the fastest of bare forward
passes over the same wordpieces: sorted by length and padded in batches of 8, 16 or 32.
"""

import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy
import spacy
import torch
import typer
from rich.console import Console
from rich.table import Table
from rounds import measure
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import Config
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from dlfa_spacy.corpora.conllu import read_conllu
from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.evaluation.readme import insert_between_markers
from dlfa_spacy.recipes import available, read_aggregation

NER = {
    "@architectures": "spacy.TransitionBasedParser.v2",
    "state_type": "ner",
    "extra_state_tokens": False,
    "hidden_width": 64,
    "maxout_pieces": 2,
    "use_upper": False,
}
POOLING = {"@layers": "reduce_mean.v1"}


def main(
    encoder: Annotated[str, typer.Option(help="Folder of an encoder.")] = "assets/encoder",
    shape: Annotated[str, typer.Option(help='"own", or "base": random BERT-base.')] = "own",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    languages: Annotated[str, typer.Option(help="Languages of the texts.")] = "en,de,es,ru,zh,ar",
    per_language: Annotated[int, typer.Option(help="Sentences of each language.")] = 25,
    rounds: Annotated[int, typer.Option(help="Timed rounds; one more to warm up.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")] = None,
    page: Annotated[
        list[Path] | None,
        typer.Option(help="Put the table between the markers <!-- dlfa:speed --> of this file."),
    ] = None,
) -> None:
    """Measure prediction with a transformer and ner."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        name = encoder if shape == "own" else base_shape(encoder, Path(folder))
        words = sentences(corpus, languages.split(","), per_language)
        systems = build(name, words)
        seconds = measure(systems, rounds)
    n_words = sum(len(sentence) for sentence in words)
    figures = summarise(seconds, n_words)
    show(figures)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        settings = {"shape": shape, "threads": threads, "rounds": rounds, "words": n_words}
        out.write_text(json.dumps({**settings, "systems": figures}, indent=2), encoding="utf-8")
    for path in page or []:
        marker = f"<!-- dlfa:speed-{shape} -->"
        insert_between_markers(path, markdown(figures, shape, threads, rounds, n_words), marker)


def base_shape(encoder: str, folder: Path) -> str:
    """RETURNS (str): Folder of a BERT-base with random weights and the encoder's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(encoder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def sentences(corpus: Path, languages: list[str], per_language: int) -> list[list[str]]:
    """RETURNS (List[List[str]]): Words of some sentences, the languages mixed."""
    by_language = []
    for lang in languages:
        found = list(read_conllu(corpus / lang / "test.conllu"))[:per_language]
        by_language.append([list(sentence.words) for sentence in found])
    return [sentence for group in zip(*by_language, strict=True) for sentence in group]


def build(name: str, words: list[list[str]]) -> dict[str, Callable[[], Any]]:
    """RETURNS (Dict[str, Callable]): Each system as a function that annotates all texts once."""
    systems: dict[str, Callable[[], Any]] = {}
    ours = pipeline(name, "dlfa_spacy", "last")
    ids = wordpieces(ours, words)
    model = AutoModel.from_pretrained(name, torch_dtype=torch.float32).eval()
    for size in (8, 16, 32):
        systems[f"bare forward, batches of {size}"] = lambda size=size: bare(model, ids, size)
    stock = pipeline(name, "spacy-transformers", "last")
    systems["stock spacy-transformers, last layer"] = lambda: annotate(stock, words)
    for aggregation in available("aggregations"):
        nlp = pipeline(name, "dlfa_spacy", aggregation)
        systems[f"ours, {aggregation}"] = lambda nlp=nlp: annotate(nlp, words)
    return systems


def pipeline(name: str, package: str, aggregation: str) -> Language:
    """RETURNS (Language): A transformer and an untrained ner."""
    listener: dict[str, Any] = {
        "@architectures": f"{package}.TransformerListener.v1",
        "pooling": POOLING,
    }
    spans: dict[str, Any] = {"@span_getters": f"{package}.strided_spans.v1"}
    model = {"@architectures": f"{package}.TransformerModel.v3", "name": name}
    factory = "transformer"
    if package == "dlfa_spacy":
        listener["aggregation"] = read_aggregation(aggregation)
        spans = {"@span_getters": "dlfa_spacy.wordpiece_spans.v1", "window": 126, "stride": 96}
        model["@architectures"] = "dlfa_spacy.TransformerModel.v1"
        factory = "dlfa_transformer"
    else:
        spans |= {"window": 128, "stride": 96}
    config = Config(
        {
            "nlp": {"lang": "xx", "pipeline": ["transformer", "ner", "doc_cleaner"]},
            "components": {
                "transformer": {"factory": factory, "model": {**model, "get_spans": spans}},
                "ner": {"factory": "ner", "model": {**NER, "tok2vec": listener}},
                "doc_cleaner": {"factory": "doc_cleaner"},
            },
        }
    )
    spacy.util.fix_random_seed(0)
    nlp = spacy.util.load_model_from_config(config, auto_fill=True)
    for label in ("PER", "ORG", "LOC"):
        nlp.get_pipe("ner").add_label(label)  # type: ignore[attr-defined]
    nlp.initialize()
    return nlp


def wordpieces(nlp: Language, words: list[list[str]]) -> list[list[int]]:
    """RETURNS (List[List[int]]): The wordpieces of each window, as our encoder reads them."""
    encoder = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    assert isinstance(encoder, TransformerModel)
    windows = encoder.segment([Doc(nlp.vocab, words=sentence) for sentence in words])
    ends = numpy.cumsum(windows.lengths)
    return [part.tolist() for part in numpy.split(windows.ids, ends[:-1])]


def bare(model: torch.nn.Module, ids: list[list[int]], size: int) -> None:
    """The encoder and nothing else."""
    ordered = sorted(ids, key=len)
    with torch.inference_mode():
        for i in range(0, len(ordered), size):
            batch = ordered[i : i + size]
            longest = len(batch[-1])
            padded = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in batch])
            model(input_ids=padded, attention_mask=mask)


def annotate(nlp: Language, words: list[list[str]]) -> None:
    docs = [Doc(nlp.vocab, words=sentence) for sentence in words]
    for _ in nlp.pipe(docs, batch_size=256):
        pass


def summarise(seconds: dict[str, list[float]], words: int) -> dict[str, dict[str, float]]:
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    limit = min(value for name, value in medians.items() if name.startswith("bare"))
    stock = next(value for name, value in medians.items() if name.startswith("stock"))
    return {
        name: {
            "seconds": value,
            "words_per_second": words / value,
            "of_the_limit": limit / value,
            "times_stock": stock / value,
        }
        for name, value in medians.items()
    }


def markdown(
    figures: dict[str, dict[str, float]], shape: str, threads: int, rounds: int, words: int
) -> str:
    """RETURNS (str): The figures as a table that says how they were measured."""
    encoder = "the bundled encoder" if shape == "own" else "a BERT-base with random weights"
    lines = [
        f"Prediction with a transformer and ner on {encoder}: {words:,} words in one process, "
        f"torch on {threads} thread(s), fp32, medians of {rounds} interleaved rounds.",
        "",
        "| system | words/s | of the limit | times stock |",
        "|---|---:|---:|---:|",
    ]
    for name, row in figures.items():
        lines.append(
            f"| {name} | {row['words_per_second']:,.0f} | {row['of_the_limit']:.2f} | "
            f"{row['times_stock']:.2f} |"
        )
    return "\n".join(lines)


def show(figures: dict[str, dict[str, float]]) -> None:
    table = Table("system", "words/s", "of the limit", "times stock")
    for name, row in figures.items():
        table.add_row(
            name,
            f"{row['words_per_second']:,.0f}",
            f"{row['of_the_limit']:.2f}",
            f"{row['times_stock']:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
