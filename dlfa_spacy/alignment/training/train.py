"""The loop: batches, gradients, steps, evaluation on held-out text, checkpoints."""

import copy
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...encoder.run.bfloat16 import has_bfloat16
from .batch import Batch, Collator
from .checkpoint import load_checkpoint, save_checkpoint
from .examples import Example
from .method import Method
from .order import MeaningOrder, Order, seed_dropout, seeded
from .settings import TrainSettings, rate_at
from .team import average_gradients, begin_alike, check_alike, from_first, team_rank

Row = dict[str, float]
# From a method to scores; "score" is the one to stop by, higher is better.
Evaluate = Callable[[Method], Row]


def train(
    method: Method,
    examples: Sequence[Example],
    collate: Collator,
    settings: TrainSettings,
    checkpoint: Path | None = None,
    evaluate: Evaluate | None = None,
    report: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Train a method's encoder in place. Called in several processes at once (`join_team`), it
    trains the same encoder in all of them, by the losses that one process alone would have.

    method (Method): Encoder, method and settings, on the device to train on.
    examples (Sequence[Example]): The text.
    collate (Collator): Makes batches of it.
    settings (TrainSettings): Of the loop.
    checkpoint (Optional[Path]): Written every `save_every` steps; if it is there, training resumes
        from it, with the result that it would have had uninterrupted.
    evaluate (Optional[Evaluate]): Evaluates on held-out text.
    report (Optional[Callable[[Dict[str, float]], None]]): Called with each row.
    RETURNS (List[Dict[str, float]]): One row per step: `step`, `loss` and its parts, `learn_rate`;
        with the scores of `evaluate`, prefixed `held_out_`, where there was an evaluation.
    RAISES (ValueError): No example has a link and the method needs them, the loss is not a number,
        or the checkpoint is of another training.
    """
    if method.needs_links:
        examples = [example for example in examples if example.links]
        if not examples:
            raise ValueError(
                "No words are linked, and the method aligns words. Expected sentence pairs with "
                "links. Fix: a dictionary (--dictionaries), links in the files, or method labse."
            )
    device = next(method.parameters()).device
    order = make_order(method, examples, settings.batch_size, settings.seed)
    if method.prepare(lambda: _batches(examples, order, collate, device)):
        rows = [{"step": 0.0, "loss": _whole_loss(method, examples, order, collate, device)}]
        rows[0].update(_scores(method, evaluate))
        if report is not None:
            report(rows[0])
        return rows
    return _loop(method, examples, order, collate, settings, checkpoint, evaluate, report)


def make_order(method: Method, examples: Sequence[Example], batch_size: int, seed: int) -> Order:
    """RETURNS (Order): What is in which batch."""
    if not method.by_meaning:
        return Order(len(examples), batch_size, seed)
    groups: dict[str, list[int]] = {}
    for i, example in enumerate(examples):
        groups.setdefault(example.target.text, []).append(i)
    return MeaningOrder(list(groups.values()), batch_size, seed)


def _loop(
    method: Method,
    examples: Sequence[Example],
    order: Order,
    collate: Collator,
    settings: TrainSettings,
    checkpoint: Path | None,
    evaluate: Evaluate | None,
    report: Callable[[Row], None] | None,
) -> list[Row]:
    device = next(method.parameters()).device
    optimizer = make_optimizer(method, settings)
    fingerprint = _fingerprint(method, examples, settings)
    rows: list[Row] = []
    best: dict[str, Any] = {"score": -math.inf, "looks": 0, "state": None}
    is_first = team_rank() == 0
    check_alike(fingerprint)
    begin_alike(method)
    state = None
    if checkpoint is not None and checkpoint.is_file() and is_first:
        state = load_checkpoint(checkpoint, fingerprint)
    # The file need not be on every machine.
    state = from_first(state)
    if state is not None:
        method.load_state_dict(state["method"])
        optimizer.load_state_dict(state["optimizer"])
        rows, best = state["rows"], state["best"]
    bf16 = settings.bf16 and has_bfloat16(device.type)
    for step in range(len(rows), settings.steps):
        if settings.patience and best["looks"] >= settings.patience:
            break
        factor = rate_at(step, settings)
        for group in optimizer.param_groups:
            group["lr"] = settings.learn_rate * factor
        row: Row = {"step": step + 1.0, "learn_rate": settings.learn_rate * factor}
        method.train()
        for part in range(settings.accumulate):
            number = step * settings.accumulate + part
            seed_dropout(settings.seed, number, team_rank())
            generator = seeded(settings.seed + 1, number)
            batch = collate([examples[i] for i in order[number]], generator).to(device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                losses = method(batch, generator)
            _backward(losses["loss"] / settings.accumulate, step)
            for name, value in losses.items():
                row[name] = row.get(name, 0.0) + value.item() / settings.accumulate
        average_gradients(_trained(method))
        if settings.clip:
            nn.utils.clip_grad_norm_(_trained(method), settings.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        method.after_step()
        last = step + 1 == settings.steps
        if last or (settings.eval_every and (step + 1) % settings.eval_every == 0):
            scores = _scores(method, evaluate)
            row.update(scores)
            _note_best(method, scores, best, settings)
        rows.append(row)
        if report is not None:
            report(row)
        if checkpoint is not None and settings.save_every and is_first:
            if last or (step + 1) % settings.save_every == 0:
                save_checkpoint(
                    checkpoint,
                    {
                        "fingerprint": fingerprint,
                        "method": method.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "rows": rows,
                        "best": best,
                    },
                )
    if best["state"] is not None:
        method.load_state_dict(best["state"])
    method.eval()
    return rows


def make_optimizer(method: Method, settings: TrainSettings) -> torch.optim.Optimizer:
    """RETURNS (Optimizer): AdamW over what trains; no weight decay for vectors."""
    parameters = _trained(method)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1]},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learn_rate, weight_decay=settings.weight_decay)


def _trained(method: Method) -> list[nn.Parameter]:
    return [p for p in method.parameters() if p.requires_grad]


def _backward(loss: Tensor, step: int) -> None:
    if not torch.isfinite(loss):
        raise ValueError(
            f"Step {step + 1}: the loss is {loss.item()}. Expected a finite number. Fix: a lower "
            "learning rate."
        )
    # A batch in which nothing can be learned (no links) has a loss without a graph.
    if loss.requires_grad:
        loss.backward()


def _scores(method: Method, evaluate: Evaluate | None) -> Row:
    if evaluate is None:
        return {}
    method.eval()
    with torch.no_grad():
        scores = from_first(evaluate(method))
    return {f"held_out_{name}": float(score) for name, score in scores.items()}


def _note_best(method: Method, scores: Row, best: dict[str, Any], settings: TrainSettings) -> None:
    score = scores.get("held_out_score")
    if not settings.patience or score is None:
        return
    if score > best["score"]:
        best.update(score=score, looks=0, state=copy.deepcopy(method.state_dict()))
    else:
        best["looks"] += 1


def _fingerprint(method: Method, examples: Sequence[Example], settings: TrainSettings) -> str:
    """RETURNS (str): Of method, settings, text and number of weights."""
    text = hashlib.sha256()
    for example in examples:
        text.update(repr((example.source.ids, example.target.ids, example.links)).encode())
    whole = {
        "method": type(method).__name__,
        "settings": asdict(method.settings),
        "training": asdict(settings),
        "text": text.hexdigest(),
        "weights": sum(p.numel() for p in method.parameters()),
    }
    return json.dumps(whole, sort_keys=True)


@torch.no_grad()
def _whole_loss(
    method: Method,
    examples: Sequence[Example],
    order: Order,
    collate: Collator,
    device: torch.device,
) -> float:
    losses = [
        method(batch, seeded(0, 0))["loss"].item() * len(batch.links)
        for batch in _batches(examples, order, collate, device)
    ]
    return sum(losses) / sum(len(example.links) for example in examples)


def _batches(
    examples: Sequence[Example], order: Order, collate: Collator, device: torch.device
) -> list[Batch]:
    """RETURNS (List[Batch]): All examples, in their own order."""
    size = order.batch_size
    return [
        collate(examples[i : i + size], seeded(0, i)).to(device)
        for i in range(0, len(examples), size)
    ]
