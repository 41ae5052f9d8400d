"""`spacy train` in memory: the best checkpoint by dev, and nothing else, comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    create_evaluation_callback,
    train_while_improving,
    update_meta,
)
from spacy.util import fix_random_seed, registry, resolve_dot_names
from thinc.api import Config, Optimizer, set_gpu_allocator

from .resume import (
    Batches,
    TrainingState,
    chance,
    moments,
    set_chance,
    set_moments,
    set_weights,
    weights,
)

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


def train(
    config: Config,
    checkpoint: Path,
    *,
    gpu_id: int = -1,
    on_step: OnStep,
    state: TrainingState | None = None,
    prepare: Callable[[Language], None] = lambda nlp: None,
) -> Trained:
    """Train as `spacy train` does, with its own loop, from the same config to the same weights.

    Three things are skipped that cost more than they are worth in a short run: scoring dev after
    the very first step, reading dev anew for each score, and writing a checkpoint that nothing will
    read, or components that stay as they are.

    config (Config): The training config, with paths.
    checkpoint (Path): Folder for the best weights while a later checkpoint may be worse.
    gpu_id (int): GPU, or -1 for the CPU.
    on_step (Callable[[int, int], None]): Called with each step and their number.
    state (Optional[TrainingState]): Where a long training goes on from if its process is killed: on
        a CPU to the same weights as without.
    prepare (Callable[[Language], None]): Called with the initialized pipeline, before it trains.
    RETURNS (Trained): The pipeline.
    """
    started = time.perf_counter()
    nlp = init_nlp(config, use_gpu=gpu_id)
    prepare(nlp)
    seconds = time.perf_counter() - started
    result = train_further(nlp, checkpoint, gpu_id=gpu_id, on_step=on_step, state=state)
    result.initialize_seconds += seconds
    return result


def train_further(
    nlp: Language,
    checkpoint: Path,
    *,
    gpu_id: int = -1,
    on_step: OnStep,
    state: TrainingState | None = None,
) -> Trained:
    """Train a pipeline from the weights that it has, by [training] and [corpora] of its config.

    Arguments are those of `train`. Nothing is initialized: labels, tokenizer and components that do
    not train stay as they are.
    RETURNS (Trained): The same pipeline.
    """
    started = time.perf_counter()
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
    state = state or TrainingState(None)
    batches = Batches(partial(train_corpus, nlp), T["batcher"], anew=T["max_epochs"] < 0)
    run = _Run(nlp, T["optimizer"], batches, frozen)
    before = state.read()
    if before is not None:
        run.set_state(before)
    run.result.initialize_seconds += time.perf_counter() - started
    result = run.result
    n_scored = 0

    def scored() -> tuple[float, dict[str, float]]:
        nonlocal n_scored
        n_scored += 1
        begin = time.perf_counter()
        # spaCy asks after the first step; whatever comes later is at least as good as 0.
        answer = (0.0, {}) if n_scored == 1 else score()
        result.dev_seconds += time.perf_counter() - begin
        return answer

    def before_update(nlp: Language, place: dict[str, Any]) -> None:
        # The first step of a loop that goes on is none: its batch is empty.
        if place["step"] or not run.begin:
            T["before_update"](nlp, {**place, "step": place["step"] + run.begin})

    final = int(T["max_steps"])
    steps = train_while_improving(
        nlp,
        run.optimizer,
        run.batches(),
        scored,
        dropout=T["dropout"],
        accumulate_gradient=T["accumulate_gradient"],
        patience=T["patience"],
        max_steps=final - run.begin,
        eval_frequency=T["eval_frequency"],
        exclude=frozen,
        annotating_components=T["annotating_components"],
        before_update=before_update if T["before_update"] else None,
    )
    begin, spent, saved_dev = time.perf_counter(), result.train_seconds, result.dev_seconds
    for info in _checkpoints(steps, run.begin, final, on_step):
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
        saving = time.perf_counter()
        # Of equals the last, as in spaCy's own loop.
        is_best = info["score"] == max(point["score"] for point in result.history)
        if is_best:
            result.best_step = info["step"]
            run.saved = info["step"] != final
            if run.saved:
                nlp.to_disk(checkpoint, exclude=[*frozen, *UNCHANGED])
        if info["step"] != final and state.is_due(is_best):
            now = time.perf_counter()
            result.train_seconds = spent + now - begin - (result.dev_seconds - saved_dev)
            state.write(run.state(info["step"]))
        result.dev_seconds += time.perf_counter() - saving
    result.train_seconds = spent + time.perf_counter() - begin - (result.dev_seconds - saved_dev)
    if run.saved:
        nlp.from_disk(checkpoint, exclude=[*frozen, *UNCHANGED])
    state.remove()
    return result


class _Run:
    """A training at a place: the beginning, or where one was killed."""

    def __init__(
        self, nlp: Language, optimizer: Optimizer, batches: Batches, frozen: Sequence[str]
    ):
        self.nlp = nlp
        self.optimizer = optimizer
        self.frozen = frozen
        self.result = Trained(nlp)
        # The step that it goes on after; 0 from the beginning.
        self.begin = 0
        # Whether the best checkpoint is in a folder, and not the last one in memory.
        self.saved = False
        self._batches = batches

    def batches(self) -> Iterator[tuple[int, list[Example]]]:
        """YIELDS (Tuple[int, List[Example]]): Epoch and batch. spaCy's loop counts steps from 0,
        and evaluates by that number: one that goes on takes an empty batch for the step before."""
        if self.begin:
            yield self._batches.epoch, []
        yield from self._batches

    def state(self, step: int) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): All of it, for `set_state` in another process."""
        result = self.result
        return {
            "step": step,
            "weights": weights(self.nlp, self.frozen),
            "moments": moments(self.nlp, self.frozen, self.optimizer),
            "chance": chance(),
            "batches": self._batches.state(),
            "best_step": result.best_step,
            "saved": self.saved,
            "history": result.history,
            "seconds": [result.initialize_seconds, result.train_seconds, result.dev_seconds],
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        result = self.result
        self.begin, self.saved = state["step"], state["saved"]
        set_weights(self.nlp, self.frozen, state["weights"])
        set_moments(self.nlp, self.frozen, self.optimizer, state["moments"])
        # The empty batch makes one step of the schedules, too.
        for _ in range(self.begin):
            self.optimizer.step_schedules()
        self._batches.set_state(state["batches"])
        result.best_step, result.history = state["best_step"], list(state["history"])
        result.initialize_seconds, result.train_seconds, result.dev_seconds = state["seconds"]
        set_chance(state["chance"])


def _checkpoints(
    steps: Iterator[Any], begin: int, final: int, on_step: OnStep
) -> Iterator[dict[str, Any]]:
    """YIELDS (Dict[str, Any]): Of each checkpoint, what is known; not the first step's, which
    nobody scored."""
    for _, info, is_best in steps:
        on_step(begin + info["step"], final)
        if is_best is not None and info["step"] > 0:
            yield {**info, "step": begin + info["step"]}
