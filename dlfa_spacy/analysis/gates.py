"""What DLFA's gate does: how much of the lower layer comes through, language by language."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor

from ..aggregators.contract import Aggregator, Gate
from ..encoder.batch import LayerBatch
from ..language import get_language
from ..pipeline.encoders import encoder_of
from ..pipeline.inspection import evaluating, named_aggregators
from ..pipeline.states import BATCH_SIZE, encoded_batches, text_lengths, text_rows
from ..types import LayerStates


@dataclass
class Moments:
    """Running count, mean, deviation and share outside [0, 1] of many numbers."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    outside: int = 0

    def add(self, values: Tensor) -> None:
        """Take in some values."""
        exact = values.to(torch.float64)
        self.count += values.numel()
        self.total += float(exact.sum())
        self.squares += float((exact**2).sum())
        self.outside += int(((values < 0) | (values > 1)).sum())

    @property
    def mean(self) -> float:
        """RETURNS (float): The mean."""
        return self.total / self.count

    @property
    def sd(self) -> float:
        """RETURNS (float): The standard deviation."""
        return max(self.squares / self.count - self.mean**2, 0.0) ** 0.5


def gate_rows(
    nlp: Language, docs: Iterable[Doc], batch_size: int = BATCH_SIZE
) -> Iterator[dict[str, Any]]:
    """Statistics of every gate in a pipeline.

    The gate is what H^x is multiplied by, and one minus it what H^L is (eq. 2): W' = W * S with
    `gate = "product"`, which is not confined to [0, 1], and S with `gate = "sigmoid"`.

    nlp (Language): A trained pipeline.
    docs (Iterable[Doc]): Texts; `doc._.language` tells the language.
    batch_size (int): Texts at once.
    YIELDS (Dict[str, Any]): component, layer, gate, language, pieces, mean, sd, outside (the share
        outside [0, 1]), attention_mean and attention_sd (of S, always within).
    RAISES (ValueError): No component has a DLFA.
    """
    modules = [(name, module) for name, module in named_aggregators(nlp) if module.has_gate]
    if not modules:
        raise ValueError(
            f"No component of the pipeline {nlp.pipe_names} has an aggregation with a gate. "
            "Expected a dlfa_spacy.DoubleLayerFusion.v1. Fix: name a pipeline that was trained "
            "with one."
        )
    encoder = encoder_of(nlp)
    needed = {layer for _, module in modules for layer in module.needs(encoder.num_layers)}
    found: dict[tuple[int, str], tuple[Moments, Moments]] = {}
    gates: dict[int, Gate] = {}
    for batch in encoded_batches(encoder, docs, sorted(needed), batch_size):
        rows = text_rows(batch, encoder)
        languages = _piece_languages(batch, rows)
        for number, (_, module) in enumerate(modules):
            gates[number] = gate = gate_values(module, batch.states, batch.lengths)
            for language in sorted(set(languages)):
                own = torch.tensor([other == language for other in languages])
                moments = found.setdefault((number, language), (Moments(), Moments()))
                moments[0].add(gate.weight.cpu()[rows][own])
                moments[1].add(gate.attention.cpu()[rows][own])
    for (number, language), (weights, attentions) in sorted(found.items()):
        name, _ = modules[number]
        yield {
            "component": name,
            "layer": gates[number].layer,
            "gate": gates[number].kind,
            "language": language,
            "pieces": weights.count // encoder.packed.width,
            "mean": weights.mean,
            "sd": weights.sd,
            "outside": weights.outside / weights.count,
            "attention_mean": attentions.mean,
            "attention_sd": attentions.sd,
        }


def gate_values(module: Aggregator, states: LayerStates, lengths: Tensor) -> Gate:
    """RETURNS (Gate): Of some wordpieces, as at prediction."""
    with torch.no_grad(), evaluating(module):
        gate = module.gate(states, lengths)
    assert gate is not None
    return gate


def _piece_languages(batch: LayerBatch, rows: Tensor) -> list[str]:
    """RETURNS (List[str]): The language of each wordpiece of text."""
    lengths = text_lengths(batch, rows).tolist()
    return [
        get_language(doc) or "?"
        for doc, length in zip(batch.docs, lengths, strict=True)
        for _ in range(length)
    ]
