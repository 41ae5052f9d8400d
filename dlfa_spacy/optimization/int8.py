"""Linear layers of the encoder, and its vocabulary, as 8-bit integers."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from ..encoder.storage.int4_embedding import Int4Embedding
from ..encoder.storage.int8 import Int8Linear, quantize
from ..encoder.storage.int8_embedding import quantize_embedding
from ..pipeline.readers import EncoderInUse


def make_int8(encoders: Sequence[EncoderInUse]) -> list[str]:
    """Quantize the encoders' Linear layers. Activations are quantized as they come, with one scale
    for all texts encoded together, so vectors depend a little on the neighbors of a text.

    encoders (Sequence[EncoderInUse]): Changed in place.
    RETURNS (List[str]): How many layers, a line for each encoder.
    RAISES (ValueError): An encoder that is int8 already, on a GPU, or does not run with such
        layers.
    """
    changes = []
    for encoder in encoders:
        shim = encoder.model.shim
        linear = [x for x in shim.int8_layers if is_linear(encoder, x)]
        if linear:
            raise ValueError(
                f'--int8: the encoder of "{encoder.component}" is int8 already. Fix: leave it out.'
            )
        packed = encoder.model.packed
        if packed.device.type != "cpu":
            raise ValueError(
                f"--int8 needs a CPU, but the encoder is on {packed.device}. Fix: load it there."
            )
        names = quantize(packed.transformer)
        ids = torch.tensor([[0, 1, 2]])
        try:
            with torch.no_grad():
                packed.transformer.eval()(input_ids=ids, attention_mask=torch.ones_like(ids))
        except Exception as error:
            # Some encoders read the weights of a layer instead of calling it.
            raise ValueError(
                f'--int8: the encoder of "{encoder.component}" '
                f"({type(packed.transformer).__name__}) does not run with int8 layers "
                f"({type(error).__name__}: {error}). Fix: leave it out."
            ) from error
        shim.int8_layers = [*shim.int8_layers, *names]
        changes.append(f"{encoder.component}: {len(names)} Linear layers")
    return changes


def make_int8_embeddings(encoders: Sequence[EncoderInUse]) -> list[str]:
    """Keep the rows of the encoders' vocabularies as 8-bit integers, with one scale per row.

    encoders (Sequence[EncoderInUse]): Changed in place.
    RETURNS (List[str]): How far rows moved, a line for each encoder. Rows in four bits stay so.
    RAISES (ValueError): An encoder without such rows, or whose rows are int8 already.
    """
    changes = []
    for encoder in encoders:
        transformer: Any = encoder.model.transformer
        rows = transformer.get_input_embeddings()
        if isinstance(rows, Int4Embedding):
            changes.append(f"{encoder.component}: rows stay in four bits, which are fewer")
            continue
        if not isinstance(rows, nn.Embedding):
            raise ValueError(
                f'--int8-embeddings: the encoder of "{encoder.component}" has no embedding of '
                f"floats for its wordpieces (found {type(rows).__name__}). Fix: leave it out."
            )
        name = next(name for name, module in transformer.named_modules() if module is rows)
        made = quantize_embedding(rows)
        change = made.weight * made.scale - rows.weight.detach().cpu()
        moved = float(change.norm() / rows.weight.detach().cpu().norm().clamp_min(1e-12))
        transformer.set_submodule(name, made.to(encoder.model.packed.device))
        encoder.model.shim.int8_layers.append(name)
        changes.append(f"{encoder.component}: {made.num_embeddings} rows, moved by {moved:.1e}")
    return changes


def is_linear(encoder: EncoderInUse, name: str) -> bool:
    """RETURNS (bool): Whether the int8 layer of that name is a Linear one."""
    return isinstance(encoder.model.transformer.get_submodule(name), Int8Linear)
