"""What packed rows are worth for each kind of encoder: the same encoder with and without padding.

    python -m benchmarks.padding --page docs/encoders.md

Encoders of random weights in the width of published ones and with few layers; windows as long as
the sentences of the corpus. In one process and interleaved rounds; medians and ratios.
"""

import functools
import tempfile
from pathlib import Path
from statistics import median
from typing import Annotated, Any
from unittest.mock import patch

import numpy
import torch
import typer
from transformers import (
    AutoModel,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    PretrainedConfig,
    XLMRobertaConfig,
)

from benchmarks.comparison.bench import PRESETS, Bench
from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.segment.windows import Windows
from dlfa_spacy.encoder.storage.loading import load_tokenizer
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe
from dlfa_spacy.optimization.speed.rounds import Run, measure

LANGUAGES = ("en", "de", "es", "ru", "zh", "ar")
MARKER = "<!-- dlfa:padding -->"
PADDED, PACKED, TRAINED = "padded", "packed", "trained"
# Three: of ModernBERT's one sees everything and two see their neighbors.
LAYERS, VOCAB = 3, 1_000
BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3_072}
V3 = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "type_vocab_size": 0,
}
SMALL = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1_024}
MODERN = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 1_152}
MODERN_SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1_152}
KINDS: dict[str, tuple[type[PretrainedConfig], dict[str, Any]]] = {
    "XLM-R base": (XLMRobertaConfig, BASE),
    "DistilBERT": (
        DistilBertConfig,
        {"dim": 768, "n_heads": 12, "hidden_dim": 3_072, "n_layers": LAYERS},
    ),
    "ELECTRA small": (ElectraConfig, {**SMALL, "embedding_size": 128}),
    "mDeBERTa-v3 base": (DebertaV2Config, {**BASE, **V3}),
    "ModernBERT base": (ModernBertConfig, MODERN),
    "mmBERT small": (ModernBertConfig, MODERN_SMALL),
}


def main(
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    sentences: Annotated[int, typer.Option(help="How many of them.")] = 20,
    rounds: Annotated[int, typer.Option(help="Timed rounds; one more to warm up.")] = 7,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    page: Annotated[
        Path | None, typer.Option(help=f"Put the table between the markers {MARKER} there.")
    ] = None,
) -> None:
    torch.set_num_threads(threads)
    lengths = lengths_of(corpus, sentences)
    total = int(lengths.sum())
    rows = []
    for name, (kind, settings) in KINDS.items():
        taken = seconds_of(encoder(kind, settings), windows_of(lengths), rounds)
        rows.append([name, *(f"{total / median(taken[way]):,.0f}" for way in (PADDED, PACKED))])
        for padded, packed in ((PADDED, PACKED), (f"{TRAINED} {PADDED}", f"{TRAINED} {PACKED}")):
            ratios = [a / b for a, b in zip(taken[padded], taken[packed], strict=True)]
            rows[-1].append(f"{median(ratios):.2f}")
    header = ["encoder", "padded, wordpieces/s", "packed", "ratio", "ratio in training"]
    table = markdown_table(header, rows)
    note = (
        f"{LAYERS} layers, random weights, fp32; {len(lengths)} windows of {lengths.min()} to "
        f"{lengths.max()} wordpieces, {total:,} in all; medians of {rounds} interleaved rounds, "
        "ratios those of each round. "
        f"({describe(threads)}.)"
    )
    print(table)
    if page is not None:
        insert_between_markers(page, f"{table}\n{note}", MARKER)


def lengths_of(corpus: Path, sentences: int) -> numpy.ndarray:
    """RETURNS (Ints1d): Wordpieces of some sentences, with two special tokens each."""
    encoder = "assets/encoder"
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(encoder, corpus, LANGUAGES, PRESETS["full"], 1, Path(folder))
        texts = [" ".join(text.words) for text in bench.sentences("own")]
    step = max(1, len(texts) // sentences)
    return PieceTokenizer(load_tokenizer(encoder))(texts[::step][:sentences]).lengths + 2


def windows_of(lengths: numpy.ndarray) -> Any:
    """RETURNS (Windows): Random wordpieces."""
    ids = numpy.random.default_rng(0).integers(5, VOCAB, size=int(lengths.sum()))
    nothing: Any = None
    return Windows(ids, lengths, *[nothing] * 6)


def encoder(kind: type[PretrainedConfig], settings: dict[str, Any]) -> PackedEncoder:
    torch.manual_seed(0)
    layers = {} if "n_layers" in settings else {"num_hidden_layers": LAYERS}
    special = {"pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2}
    config = kind(vocab_size=VOCAB, **settings, **layers, **special)
    return PackedEncoder(AutoModel.from_config(config).eval())


def seconds_of(model: PackedEncoder, windows: Any, rounds: int) -> dict[str, list[float]]:
    """RETURNS (Dict[str, List[float]]): Of each round, by way."""

    def predict(packed: bool) -> None:
        with torch.no_grad(), rows(packed):
            model(windows, [LAYERS])

    def train(packed: bool) -> None:
        with rows(packed):
            model(windows, [LAYERS])[LAYERS].sum().backward()
        model.zero_grad()

    systems: dict[str, Run] = {}
    for way, packed in ((PADDED, False), (PACKED, True)):
        systems[way] = functools.partial(predict, packed)
        systems[f"{TRAINED} {way}"] = functools.partial(train, packed)
    return measure(systems, rounds)


def rows(packed: bool) -> Any:
    return patch("dlfa_spacy.encoder.run.packed.runs_packed", lambda transformer: packed)


if __name__ == "__main__":
    typer.run(main)
