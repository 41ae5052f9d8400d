"""Blocks of the encoder that nothing reads are removed."""

from collections.abc import Sequence
from typing import Any

import torch
from spacy.language import Language
from torch import Tensor

from ..encoder.pooler import drop_pooler, find_pooler
from ..encoder.run.early_exit import find_blocks
from ..layers.listener import TransformerListener
from ..pipeline.readers import EncoderInUse, aggregation_block, replace_aggregation

TOLERANCE = 1e-5
# Components that read layers of the encoder without listening.
READS_LAYERS = ("dlfa_sentence_vectors",)


def cut_encoders(nlp: Language, encoders: Sequence[EncoderInUse]) -> list[str]:
    """Remove the blocks above the highest layer that is read, and the pooler.

    Layer numbers of the aggregations are rewritten as numbers from below. Predictions do not
    change: that is measured, and an encoder where they would (one that normalizes the output of its
    last block) is refused.

    nlp (Language): The pipeline; changed in place.
    encoders (Sequence[EncoderInUse]): Its encoders.
    RETURNS (List[str]): What was cut, a line for each encoder.
    RAISES (ValueError): An encoder that cannot be cut.
    """
    changes = []
    for encoder in encoders:
        transformer: Any = encoder.model.transformer
        if find_pooler(transformer) is not None:
            drop_pooler(transformer)
            changes.append(f"{encoder.component}: no pooler")
        depth, top = encoder.model.num_layers, encoder.highest
        if top == depth:
            continue
        _refuse_other_readers(nlp)
        _cut(encoder, depth, top)
        _renumber(nlp, encoder, depth, top)
        changes.append(f"{encoder.component}: {top} of {depth} blocks")
    return changes


def _cut(encoder: EncoderInUse, depth: int, top: int) -> None:
    transformer: Any = encoder.model.transformer
    blocks = find_blocks(transformer, depth)
    kind = type(transformer).__name__
    if blocks is None:
        raise ValueError(
            f'The encoder of "{encoder.component}" ({kind}) does not keep its blocks in one list, '
            "so the upper ones cannot be removed. Fix: add --no-cut."
        )
    expected = _probe(encoder, top)
    del blocks[top:]
    transformer.config.num_hidden_layers = top
    found = _probe(encoder, top)
    if not torch.allclose(expected, found, atol=TOLERANCE, rtol=TOLERANCE):
        raise ValueError(
            f'The encoder of "{encoder.component}" ({kind}) cannot be cut after layer {top}: what '
            f"comes out there would change (by up to {float((expected - found).abs().max()):.3g}), "
            "because it treats the output of its last block in a way of its own. Expected the "
            "same output. Fix: add --no-cut."
        )


def _probe(encoder: EncoderInUse, layer: int) -> Tensor:
    """RETURNS (Tensor): H^layer of some wordpieces, as the pipeline computes it."""
    packed = encoder.model.packed
    size = packed.transformer.get_input_embeddings().num_embeddings  # type: ignore[operator]
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(size, (2, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 6:] = 0
    kwargs = {"input_ids": ids, "attention_mask": mask, "return_dict": True}
    on_device = {k: v.to(packed.device) if isinstance(v, Tensor) else v for k, v in kwargs.items()}
    packed.eval()
    with torch.no_grad():
        found = packed._hidden_states(on_device, [layer])[layer]
    return found[mask.bool().to(found.device)]


def _renumber(nlp: Language, encoder: EncoderInUse, depth: int, top: int) -> None:
    for reading in encoder.readings:
        made = reading.module.renumbered(depth, top, aggregation_block(nlp, reading))
        if made is None:
            # Whoever reads the last layer: then nothing is cut.
            raise ValueError(
                f"[components.{reading.component}] aggregation ({type(reading.module).__name__}) "
                f"reads no layer above {top} of {depth}, but its layers cannot be renumbered. "
                "Expected one that can (MeanLayers, SelectedLayers). Fix: add --no-cut."
            )
        replace_aggregation(nlp, encoder, reading, made, top)
    encoder.model._adopt()
    width = encoder.model.get_dim("nO")
    for reading in encoder.readings:
        if isinstance(reading.holder, TransformerListener):
            reading.holder.set_dim("nO", width)


def _refuse_other_readers(nlp: Language) -> None:
    for name in nlp.pipe_names:
        if nlp.get_pipe_meta(name).factory in READS_LAYERS:
            raise ValueError(
                f'The component "{name}" reads layers of the encoder by itself, so none can be '
                "taken out. Fix: add --no-cut, or remove it from the pipeline."
            )
