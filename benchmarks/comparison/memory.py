"""Peak memory of prediction and of training, each system in a process of its own."""

from __future__ import annotations

from typing import Any

from dlfa_spacy.optimization.speed.child import load_pipeline, run_child

from .bench import Bench
from .figures import Figure, figure
from .pipelines import System

AGGREGATIONS = ("stock", "last", "attention", "dlfa")
# Predicted beside the sentences: the longest text decides about the peak.
ARTICLE = 1_000
STEPS = 2


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Bytes of each system above those of its loaded pipeline."""
    sentences = bench.sentences(shape)
    article = bench.texts("articles", ARTICLE) if bench.sizes.words[shape] > 100 else []
    predicted = [(text.words, text.tags) for text in [*sentences, *article]]
    trained = [(text.words, text.tags) for text in sentences[: bench.sizes.train_texts]]
    words = sum(len(row[0]) for row in predicted)
    figures: list[Figure] = []
    for name in AGGREGATIONS:
        system = System(name)
        settings = bench.child_settings(bench.saved(shape, system))
        found = run_child(__name__, {**settings, "texts": predicted, "train": trained})
        figures += [
            figure("memory", shape, "sentences", system.name, quantity, [value], words)
            for quantity, value in found.items()
        ]
    return figures


def in_child(settings: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, int]): Bytes of the loaded pipeline, and what prediction and then
    training need above what was used before; on a GPU those of CUDA as well."""
    nlp = load_pipeline(settings)
    from dlfa_spacy.optimization.speed.memory_use import peak, reset_peak, resident

    from .pipelines import annotate, examples
    from .texts import Text

    texts = [Text(*row) for row in settings["texts"]]
    found = {"loaded": resident()}
    reset_peak()
    annotate(nlp, texts)
    found |= {"predict": peak() - found["loaded"], **_cuda("predict", settings)}
    trained = examples(nlp, [Text(*row) for row in settings["train"]])
    optimizer = nlp.resume_training()
    before = resident()
    reset_peak()
    # In the first step no gradient leaves a tagger, which begins at zero, and stock code skips the
    # encoder's.
    for _ in range(STEPS):
        nlp.update(trained, sgd=optimizer)
    return {**found, "train": peak() - before, **_cuda("train", settings)}


def _cuda(name: str, settings: dict[str, Any]) -> dict[str, int]:
    if settings["gpu_id"] < 0:
        return {}
    import torch

    found = {f"{name}_cuda": int(torch.cuda.max_memory_allocated())}
    torch.cuda.reset_peak_memory_stats()
    return found
