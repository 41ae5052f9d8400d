"""Matrices in four bits: blocks of 32 weights that share a scale."""

import torch
from torch import Tensor

BLOCK = 32
# A nibble q stands for the weight (q - MIDDLE) * scale.
MIDDLE = 8


def unpack(nibbles: Tensor, scales: Tensor) -> Tensor:
    """Weights from their packed form, without rounding: fp32 holds every product.

    nibbles (Tensor): uint8 `(..., E / 2)`. Of a block's 16 bytes, byte j holds weight j in its low
        half and weight j + 16 in its high half.
    scales (Tensor): fp16 `(..., E / 32)`.
    RETURNS (Tensor): fp32 `(..., E)`.
    """
    halves = nibbles.unflatten(-1, (-1, BLOCK // 2))  # (..., E / 32, 16)
    blocks = torch.cat((halves & 15, halves >> 4), dim=-1)  # (..., E / 32, 32)
    return ((blocks.float() - MIDDLE) * scales.float().unsqueeze(-1)).flatten(-2)


def pack(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Round weights to four bits. A block's largest weight takes the end of the range that has one
    more step.

    weight (Tensor): `(..., E)`.
    RETURNS (Tuple[Tensor, Tensor]): Nibbles and scales, as in `unpack`.
    RAISES (ValueError): E is no multiple of 32, or a weight is too large for fp16.
    """
    width = weight.shape[-1]
    if width % BLOCK:
        raise ValueError(
            f"A matrix of width {width} cannot be kept in four bits: expected a multiple of {BLOCK}"
            ", the size of a block. Fix: leave this encoder in floats."
        )
    blocks = weight.detach().float().unflatten(-1, (-1, BLOCK))
    largest = blocks.gather(-1, blocks.abs().argmax(dim=-1, keepdim=True))  # (..., E / 32, 1)
    scales = (largest / -MIDDLE).half()
    if not bool(torch.isfinite(scales).all()):
        raise ValueError(
            f"A matrix with weights up to {float(weight.abs().max()):.3g} cannot be kept in four "
            "bits: the scale of a block is a half float. Fix: leave this encoder in floats."
        )
    # A block of zeros has no range.
    steps = torch.where(scales == 0, 1.0, scales.float())
    rounded = (blocks / steps).round().add(MIDDLE).clamp(0, 15).to(torch.uint8)
    low, high = rounded[..., : BLOCK // 2], rounded[..., BLOCK // 2 :]
    return (low | (high << 4)).flatten(-2), scales.squeeze(-1)
