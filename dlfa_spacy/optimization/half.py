"""Weights that are saved as half floats."""

from collections.abc import Sequence

import torch

from ..encoder.storage.weights import STORAGE, int4_layers
from ..pipeline.readers import EncoderInUse

HALF_TYPES = ("float16", "bfloat16")


def check_half(kind: str) -> None:
    """RAISES (ValueError): No such type."""
    if kind not in HALF_TYPES:
        raise ValueError(
            f"--half-type {kind}: expected {' or '.join(HALF_TYPES)}. Fix: --half-type float16."
        )


def store_as_half(encoders: Sequence[EncoderInUse], kind: str) -> list[str]:
    """Round an encoder's fp32 weights to half floats, and have them saved as such. They are loaded
    to fp32 again: the file is half as large, the speed stays. Layers in four bits stay so.

    encoders (Sequence[EncoderInUse]): Changed in place.
    kind (str): "float16", of 11 significant bits, or "bfloat16", of 8 and as wide as fp32.
    RETURNS (List[str]): How far weights moved, a line for each encoder.
    RAISES (ValueError): A weight that is too large for float16.
    """
    check_half(kind)
    changes = []
    for encoder in encoders:
        state = encoder.model.transformer.state_dict()
        # Smaller than half floats, and no more what they are once they are rounded.
        packed = {f"{name}.weight" for name in int4_layers(encoder.model.transformer)}
        moved = 0.0
        for name, tensor in state.items():
            if tensor.dtype != torch.float32 or name in packed:
                continue
            rounded = tensor.to(STORAGE[kind]).float()
            if not bool(torch.isfinite(rounded).all()):
                raise ValueError(
                    f'--half: weight "{name}" of the encoder of "{encoder.component}" reaches '
                    f"{float(tensor.abs().max()):.3g}, which {kind} cannot hold. Fix: --half-type "
                    "bfloat16, or leave out --half."
                )
            moved = max(moved, float((rounded - tensor).norm() / tensor.norm().clamp_min(1e-12)))
            state[name] = rounded
        encoder.model.transformer.load_state_dict(state)
        encoder.model.shim.storage = kind
        changes.append(f"{encoder.component}: {kind}, weights moved by {moved:.1e} at most")
    return changes
