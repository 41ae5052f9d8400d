"""The rows of one kind, measured in a process of its own: `python -m benchmarks.gpu.rows KIND`.

The last line that it prints is the rows as JSON.
"""

from __future__ import annotations

import contextlib
import functools
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import spacy
import torch
import typer
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from transformers import AutoModel

from benchmarks.comparison.pipelines import System, annotate, build, examples
from benchmarks.comparison.texts import Text, read_texts
from dlfa_spacy.encoder.cache import LayerCache
from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.optimization.speed.limit import BARE, bare_forwards, wordpieces
from dlfa_spacy.optimization.speed.rounds import Run, measure
from dlfa_spacy.pipeline.encoders import encoder_of

from .encoder import make_encoder

# Words that are predicted, sentences in a training step, and rounds, by shape.
SIZES = {"base": (30_000, 32, 3), "tiny": (200, 4, 1)}
CORPUS = Path(__file__).parents[2] / "assets" / "corpus"
LANGUAGES = ("en", "de", "es", "ru", "zh", "ar")
STORED_LAYERS = [0, 1, 2]
Rows = list[dict[str, Any]]


def main(
    kind: Annotated[str, typer.Argument(help="encoder, store or pipeline.")],
    device: Annotated[str, typer.Option(help="cuda or cpu.")] = "cuda",
    shape: Annotated[str, typer.Option(help="base or tiny.")] = "base",
) -> None:
    """Measure, and print the rows."""
    words, step, rounds = SIZES[shape]
    texts = read_texts(CORPUS, LANGUAGES, "sentences", words)
    with tempfile.TemporaryDirectory() as folder:
        name = make_encoder(Path(folder), (" ".join(text.words) for text in texts), shape)
        bench = Bench(name, device, texts, step, rounds)
        print(json.dumps(KINDS[kind](bench)))


class Bench:
    """What is measured.

    folder (str): The encoder.
    device (str): "cuda" or "cpu".
    texts (Sequence[Text]): What is predicted.
    step (int): Sentences in a training step.
    rounds (int): Timed rounds.
    """

    def __init__(self, folder: str, device: str, texts: Sequence[Text], step: int, rounds: int):
        self.folder = folder
        self.device = device
        self.texts = texts
        self.step = step
        self.rounds = rounds
        self.words = sum(len(text.words) for text in texts)
        kind = torch.device(device).type
        self.types = {"fp32": False, **({"bf16": True} if has_bfloat16(kind) else {})}

    def docs(self, nlp: Language) -> list[Doc]:
        """RETURNS (List[Doc]): The texts."""
        return [Doc(nlp.vocab, words=text.words) for text in self.texts]

    def medians(self, runs: dict[str, Run]) -> dict[str, float]:
        """RETURNS (Dict[str, float]): Seconds of each run, interleaved."""
        return {
            name: statistics.median(taken) for name, taken in measure(runs, self.rounds).items()
        }


def encoder_rows(bench: Bench) -> Rows:
    """Words per second of the encoder and an aggregation, packed and padded, beside the encoder
    alone. Tokenization is left out: it is the same for all."""
    nlp = build(bench.folder, System("attention"))
    model = encoder_of(nlp)
    windows = model.segment(bench.docs(nlp))
    transformer = model.transformer.to(bench.device)
    (listener,) = nlp.get_pipe("transformer").listeners  # type: ignore[attr-defined]
    listener.shim.module.to(bench.device)
    layers = listener.needs(model.num_layers)
    pieces = wordpieces(model, bench.docs(nlp))
    runs: dict[str, Run] = {}

    def run(encoder: PackedEncoder, packed: bool) -> None:
        changed: Any = contextlib.nullcontext()
        if not packed:
            changed = patch("dlfa_spacy.encoder.run.packed.runs_packed", lambda model: False)
        with changed, torch.no_grad():
            encoder(windows, layers, {"vectors": listener.consume})

    for name, mixed in bench.types.items():
        encoder = PackedEncoder(transformer, mixed).eval()
        for packed in (True, False):
            key = f"encoder and attention, {name}, {'packed' if packed else 'padded'}"
            runs[key] = functools.partial(run, encoder, packed)
        alone = AutoModel.from_pretrained(bench.folder).eval().to(bench.device)
        alone = alone.bfloat16() if mixed else alone
        for way, forward in bare_forwards(alone, pieces).items():
            runs[f"{way}, {name}"] = forward
    seconds = bench.medians(runs)
    rows = []
    for name in runs:
        row = {"row": name, "words_per_second": round(bench.words / seconds[name], 1)}
        kind = next(kind for kind in bench.types if kind in name)
        limits = [s for other, s in seconds.items() if other.startswith(BARE) and kind in other]
        rows.append({**row, "of_the_bare_limit": round(min(limits) / seconds[name], 3)})
    return rows


def store_rows(bench: Bench) -> Rows:
    """Words per second that are encoded and kept in a folder, all of them new."""
    rows = []
    for name, mixed in bench.types.items():
        model = encoder_of(build(bench.folder, System("attention", mixed_precision=mixed)))
        model.transformer.to(bench.device)
        docs = bench.docs(spacy.blank("xx"))

        def fill(model: Any = model, docs: list[Doc] = docs) -> None:
            with tempfile.TemporaryDirectory() as folder:
                model.cache = LayerCache(folder, "transformer")
                for batch in minibatch(docs, 128):
                    model.encode_frozen(batch, STORED_LAYERS)

        seconds = bench.medians({name: fill})[name]
        text = f"layer store, {len(STORED_LAYERS)} layers, {name}"
        rows.append({"row": text, "words_per_second": round(bench.words / seconds, 1)})
    return rows


def pipeline_rows(bench: Bench) -> Rows:
    """Training steps, and prediction from a text to its tags: thinc has to be on the device."""
    if bench.device != "cpu":
        spacy.require_gpu(0)
    rows: Rows = []
    for name, mixed in bench.types.items():
        system = System("attention", mixed_precision=mixed)
        nlp = build(bench.folder, system, "tagger")
        optimizer = nlp.resume_training()
        batch = bench.texts[: bench.step]

        def train(nlp: Language = nlp, optimizer: Any = optimizer, batch: Any = batch) -> None:
            nlp.update(examples(nlp, batch), sgd=optimizer)

        runs: dict[str, Run] = {
            "train": train,
            "predict": functools.partial(annotate, nlp, bench.texts),
        }
        seconds = bench.medians(runs)
        row: dict[str, Any] = {"row": f"training step of {len(batch)} sentences, {name}"}
        rows.append({**row, "milliseconds": round(1000 * seconds["train"], 1)})
        row = {"row": f"pipeline with a tagger, {name}"}
        rows.append({**row, "words_per_second": round(bench.words / seconds["predict"], 1)})
        if bench.device != "cpu":
            rows[-1]["cuda_bytes"] = torch.cuda.max_memory_allocated()
    return rows


KINDS: dict[str, Callable[[Bench], Rows]] = {
    "encoder": encoder_rows,
    "store": store_rows,
    "pipeline": pipeline_rows,
}

if __name__ == "__main__":
    typer.run(main)
