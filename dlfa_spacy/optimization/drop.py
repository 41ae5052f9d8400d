"""Layers of small weight leave a learned mix; the weights of the others are renormalized."""

from collections.abc import Sequence

import torch
from spacy.language import Language
from spacy.tokens import Doc

from ..pipeline.readers import EncoderInUse, Reading, aggregation_block, replace_aggregation

# Enough for a mean over wordpieces.
MEASURED_DOCS = 200


def check_drop(threshold: float) -> None:
    """RAISES (ValueError): No weight that a layer can have."""
    if not 0.0 < threshold < 1.0:
        raise ValueError(
            f"--drop-layers {threshold}: expected a weight between 0 and 1. "
            "Fix: --drop-layers 0.02."
        )


def drop_layers(
    nlp: Language, encoders: Sequence[EncoderInUse], threshold: float, docs: Sequence[Doc]
) -> list[str]:
    """Drop the layers whose weight is below a threshold, one aggregation at a time.

    `ScalarMix`: its softmax weights, the same for all tokens. `LayerAttention`: the mean weight
    over the wordpieces of some texts. With `residual` the last layer stays: it is read besides the
    mix. Aggregations that do not weight layers are unchanged.

    nlp (Language): The pipeline; changed in place.
    encoders (Sequence[EncoderInUse]): Its encoders.
    threshold (float): From 0 to 1.
    docs (Sequence[Doc]): Texts to measure with; may be empty if there is no `LayerAttention`.
    RETURNS (List[str]): What was dropped, a line for each aggregation.
    RAISES (ValueError): A threshold that leaves no layer; no texts to measure with.
    """
    check_drop(threshold)
    changes = []
    for encoder in encoders:
        for reading in encoder.readings:
            if reading.module.may_lose(encoder.model.num_layers):
                changes.append(_drop(nlp, encoder, reading, threshold, docs))
    return [change for change in changes if change]


def _drop(
    nlp: Language,
    encoder: EncoderInUse,
    reading: Reading,
    threshold: float,
    docs: Sequence[Doc],
) -> str:
    module = reading.module
    depth = encoder.model.num_layers
    weights = _weights(encoder, reading, docs)
    droppable = module.may_lose(depth)
    dropped = [layer for layer in droppable if abs(weights[layer]) < threshold]
    if dropped == module.needs(depth):
        raise ValueError(
            f"--drop-layers {threshold}: no layer of [components.{reading.component}] has that "
            f"weight; the largest is {max(weights):.3f}. Fix: choose a smaller one."
        )
    if not dropped:
        return ""
    made = module.without(dropped, depth, aggregation_block(nlp, reading))
    replace_aggregation(nlp, encoder, reading, made, depth)
    lost = sum(abs(weights[x]) for x in dropped)
    return f"{reading.component}: without layers {dropped} (weights {lost:.3f} together)"


def _weights(encoder: EncoderInUse, reading: Reading, docs: Sequence[Doc]) -> list[float]:
    """RETURNS (List[float]): One for each layer, 0 = embeddings."""
    module = reading.module.eval()
    if not module.weighs_pieces:
        return [float(x) for x in module.layer_weights()]
    full = [doc for doc in docs if len(doc)][:MEASURED_DOCS]
    if not full:
        raise ValueError(
            f"--drop-layers: [components.{reading.component}] weights layers token by token, and "
            "there is no text to measure with. Fix: add --texts FILE."
        )
    depth = encoder.model.num_layers
    total = torch.zeros(depth + 1, dtype=torch.float64)
    pieces = 0
    # In parts: all layers of many texts would not fit into memory.
    for begin in range(0, len(full), 16):
        batch = encoder.model.encode(full[begin : begin + 16], module.needs(depth))
        count = int(batch.lengths.sum())
        total += count * module.layer_weights(states=batch.states).double().cpu()
        pieces += count
    return [float(x) for x in total / pieces]
