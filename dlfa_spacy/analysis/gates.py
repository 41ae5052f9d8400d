"""What DLFA's gate does: how much of the lower layer comes through, language by language."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor

from ..aggregators.double_layer_fusion import DoubleLayerFusion
from ..aggregators.layer_index import resolve_layer
from ..encoder.batch import LayerBatch
from ..language import get_language
from ..types import LayerStates
from .readers import evaluating, named_aggregators
from .sources import encoder_of
from .states import BATCH_SIZE, encoded_batches, text_lengths, text_rows


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
    """Statistics of the gate of every DLFA in a pipeline.

    The gate is what H^x is multiplied by, and one minus it what H^L is (eq. 2): W' = W * S with
    `gate = "product"`, which is not confined to [0, 1], and S with `gate = "sigmoid"`.

    nlp (Language): A trained pipeline.
    docs (Iterable[Doc]): Texts; `doc._.language` tells the language.
    batch_size (int): Texts at once.
    YIELDS (Dict[str, Any]): component, layer, gate, language, pieces, mean, sd, outside (the share
        outside [0, 1]), attention_mean and attention_sd (of S, always within).
    RAISES (ValueError): No component has a DLFA.
    """
    modules = [
        (name, module)
        for name, module in named_aggregators(nlp)
        if isinstance(module, DoubleLayerFusion)
    ]
    if not modules:
        raise ValueError(
            f"No component of the pipeline {nlp.pipe_names} has a dlfa_spacy.DoubleLayerFusion.v1, "
            "so there is no gate to look at. Fix: name a pipeline that was trained with one."
        )
    encoder = encoder_of(nlp)
    needed = {layer for _, module in modules for layer in module.needs(encoder.num_layers)}
    found: dict[tuple[int, str], tuple[Moments, Moments]] = {}
    for batch in encoded_batches(encoder, docs, sorted(needed), batch_size):
        rows = text_rows(batch, encoder)
        languages = _piece_languages(batch, rows)
        for number, (_, module) in enumerate(modules):
            weight, attention = gate_values(module, batch.states, batch.lengths)
            for language in sorted(set(languages)):
                own = torch.tensor([other == language for other in languages])
                moments = found.setdefault((number, language), (Moments(), Moments()))
                moments[0].add(weight.cpu()[rows][own])
                moments[1].add(attention.cpu()[rows][own])
    for (number, language), (weights, attentions) in sorted(found.items()):
        name, module = modules[number]
        layer = module.layer
        yield {
            "component": name,
            "layer": layer if isinstance(layer, str) else resolve_layer(layer, encoder.num_layers),
            "gate": module.gate,
            "language": language,
            "pieces": weights.count // encoder.packed.width,
            "mean": weights.mean,
            "sd": weights.sd,
            "outside": weights.outside / weights.count,
            "attention_mean": attentions.mean,
            "attention_sd": attentions.sd,
        }


def gate_values(
    module: DoubleLayerFusion, states: LayerStates, lengths: Tensor
) -> tuple[Tensor, Tensor]:
    """RETURNS (Tuple[Tensor, Tensor]): `(N, E)` each: what the lower layer is multiplied by, and
    S, as at prediction."""
    last = states[-1]
    with torch.no_grad(), evaluating(module):
        if isinstance(module.layer, str):
            lower = last @ module.control.to(last)  # type: ignore[operator]
        else:
            lower = states[module.layer]
        mean, attention = module.gates(lower, last, lengths)
        return (mean * attention if module.gate == "product" else attention), attention


def _piece_languages(batch: LayerBatch, rows: Tensor) -> list[str]:
    """RETURNS (List[str]): The language of each wordpiece of text."""
    lengths = text_lengths(batch, rows).tolist()
    return [
        get_language(doc) or "?"
        for doc, length in zip(batch.docs, lengths, strict=True)
        for _ in range(length)
    ]
