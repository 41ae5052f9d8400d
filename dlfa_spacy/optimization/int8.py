"""Linear layers of the encoder as 8-bit integers."""

from collections.abc import Sequence

import torch

from ..encoder.int8 import quantize
from .readers import EncoderInUse


def make_int8(encoders: Sequence[EncoderInUse]) -> list[str]:
    """Quantise the encoders' Linear layers. Activations are quantised as they come, with one scale
    for all texts encoded together, so vectors depend a little on the neighbours of a text.

    encoders (Sequence[EncoderInUse]): Changed in place.
    RETURNS (List[str]): How many layers, a line for each encoder.
    RAISES (ValueError): An encoder that is int8 already, on a GPU, or does not run with such
        layers.
    """
    changes = []
    for encoder in encoders:
        shim = encoder.model.shim
        if shim.int8_layers:
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
        shim.int8_layers = names
        changes.append(f"{encoder.component}: {len(names)} Linear layers")
    return changes
