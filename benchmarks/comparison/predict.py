"""Prediction with a transformer and ner: everybody on the same sentences."""

from __future__ import annotations

import functools
from typing import Any

import torch
from transformers import AutoModel

from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.storage.huggingface import from_pretrained
from dlfa_spacy.optimization.speed.limit import bare_forwards
from dlfa_spacy.optimization.speed.rounds import Run, measure
from dlfa_spacy.recipes import available

from .bench import Bench
from .figures import Figure, figure
from .huggingface import hf_pipelines
from .pipelines import CURATED, System, annotate, build, windows_of

# Whose encoder is also measured in other number types.
PRECISE = "attention"


def run(bench: Bench, shape: str) -> list[Figure]:
    """Measure prediction.

    bench (Bench): The settings.
    shape (str): "own" or "base".
    RETURNS (List[Figure]): Seconds of each system for all sentences.
    """
    folder = bench.encoder_folder(shape)
    texts = bench.sentences(shape)
    words = sum(len(text.words) for text in texts)
    runs: dict[str, Run] = {}
    ours = build(folder, System("last"))
    runs |= bare_forwards(bare(folder, bench.gpu_id), windows_of(ours, texts))
    runs |= hf_pipelines(folder, texts, bench.gpu_id)
    for system in systems(bench.gpu_id):
        nlp = build(folder, system)
        runs[system.name] = functools.partial(annotate, nlp, texts)
    with bench.curated(shape, texts) as curated:
        if curated is not None:
            runs[CURATED] = curated.predict
        seconds = measure(runs, bench.sizes.rounds)
    return [
        figure("predict", shape, "sentences", name, "seconds", taken, words)
        for name, taken in seconds.items()
    ]


def systems(gpu_id: int) -> list[System]:
    """RETURNS (List[System]): Stock, ours with every aggregation, and in other number types."""
    found = [System("stock"), *(System(name) for name in available("aggregations"))]
    if gpu_id >= 0 or has_bfloat16():
        found.append(System(PRECISE, mixed_precision=True))
    if gpu_id < 0:
        found.append(System(PRECISE, int8=True))
    return found


def bare(folder: str, gpu_id: int) -> Any:
    """RETURNS (Module): The encoder alone, in evaluation mode, on the device."""
    model = from_pretrained(AutoModel, folder, torch_dtype=torch.float32).eval()
    return model.to(f"cuda:{gpu_id}") if gpu_id >= 0 else model
