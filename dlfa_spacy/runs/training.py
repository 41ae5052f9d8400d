"""`spacy train` in memory: the best checkpoint by dev, and nothing else, comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    create_evaluation_callback,
    create_train_batches,
    train_while_improving,
    update_meta,
)
from spacy.util import fix_random_seed, registry, resolve_dot_names
from thinc.api import Config, set_gpu_allocator

OnStep = Callable[[int, int], None]
# What no step of a training changes.
UNCHANGED = ("vocab", "tokenizer", "meta.json")


@dataclass
class Trained:
    """What a training leaves.

    nlp (Language): The pipeline with the weights of the best checkpoint.
    best_step (int): Its step.
    history (List[Dict[str, Any]]): Step, epoch, score on dev and losses of each checkpoint.
    initialize_seconds (float): Loading the encoder and the corpora.
    train_seconds (float): Updates alone.
    dev_seconds (float): Scoring dev, and saving checkpoints.
    """

    nlp: Language
    best_step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    initialize_seconds: float = 0.0
    train_seconds: float = 0.0
    dev_seconds: float = 0.0


def train(config: Config, checkpoint: Path, *, gpu_id: int = -1, on_step: OnStep) -> Trained:
    """Train as `spacy train` does, with its own loop, from the same config to the same weights.

    Three things are skipped that cost more than they are worth in a short run: scoring dev after
    the very first step, reading dev anew for each score, and writing a checkpoint that nothing will
    read, or components that stay as they are.

    config (Config): The training config, with paths.
    checkpoint (Path): Folder for the best weights while a later checkpoint may be worse.
    gpu_id (int): GPU, or -1 for the CPU.
    on_step (Callable[[int, int], None]): Called with each step and their number.
    RETURNS (Trained): The pipeline.
    """
    started = time.perf_counter()
    nlp = init_nlp(config, use_gpu=gpu_id)
    settings = nlp.config.interpolate()
    if settings["training"]["seed"] is not None:
        fix_random_seed(settings["training"]["seed"])
    allocator = settings["training"]["gpu_allocator"]
    if gpu_id >= 0 and allocator:
        set_gpu_allocator(allocator)
    T: dict[str, Any] = registry.resolve(settings["training"], schema=ConfigSchemaTraining)
    train_corpus, dev_corpus = resolve_dot_names(settings, [T["train_corpus"], T["dev_corpus"]])
    frozen = T["frozen_components"]
    dev_examples = list(dev_corpus(nlp))
    score = create_evaluation_callback(nlp, lambda nlp: iter(dev_examples), T["score_weights"])
    result = Trained(nlp, initialize_seconds=time.perf_counter() - started)
    n_scored = 0

    def scored() -> tuple[float, dict[str, float]]:
        nonlocal n_scored
        n_scored += 1
        begin = time.perf_counter()
        # spaCy asks after the first step; whatever comes later is at least as good as 0.
        answer = (0.0, {}) if n_scored == 1 else score()
        result.dev_seconds += time.perf_counter() - begin
        return answer

    steps = train_while_improving(
        nlp,
        T["optimizer"],
        create_train_batches(nlp, train_corpus, T["batcher"], T["max_epochs"]),
        scored,
        dropout=T["dropout"],
        accumulate_gradient=T["accumulate_gradient"],
        patience=T["patience"],
        max_steps=T["max_steps"],
        eval_frequency=T["eval_frequency"],
        exclude=frozen,
        annotating_components=T["annotating_components"],
        before_update=T["before_update"],
    )
    begin, final = time.perf_counter(), int(T["max_steps"])
    saved = False
    for info, is_best in _checkpoints(steps, final, on_step):
        with nlp.select_pipes(disable=frozen):
            update_meta(T, nlp, info)
        result.history.append(
            {
                "step": info["step"],
                "epoch": info["epoch"],
                "score": info["score"],
                "losses": {name: float(loss) for name, loss in info["losses"].items()},
            }
        )
        if is_best:
            result.best_step = info["step"]
            saved = info["step"] != final
            if saved:
                saving = time.perf_counter()
                nlp.to_disk(checkpoint, exclude=[*frozen, *UNCHANGED])
                result.dev_seconds += time.perf_counter() - saving
    result.train_seconds = time.perf_counter() - begin - result.dev_seconds
    if saved:
        nlp.from_disk(checkpoint, exclude=[*frozen, *UNCHANGED])
    return result


def _checkpoints(
    steps: Iterator[Any], final: int, on_step: OnStep
) -> Iterator[tuple[dict[str, Any], bool]]:
    """YIELDS (Tuple[Dict[str, Any], bool]): Of each checkpoint, what is known and whether it is
    the best so far; not the first step's, which nobody scored."""
    for _, info, is_best in steps:
        on_step(info["step"], final)
        if is_best is not None and info["step"] > 0:
            yield info, is_best
