"""bfloat16: whether a device has it, and an encoder's blocks in it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import nn


def has_bfloat16(device: str = "cpu") -> bool:
    """RETURNS (bool): Whether a CPU, or the GPU ("cuda"), multiplies bfloat16 matrices: elsewhere
    it is emulated, and slower than fp32."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    # Also in torches that do not have `torch.cpu.get_capabilities` yet.
    amx: Callable[[], bool] = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    avx512: Callable[[], bool] = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return avx512() or amx()


class Bfloat16Blocks:
    """The blocks of an encoder, cast once for as long as their weights stay what they are.

    Autocast casts every weight in every batch, and the input of every Linear layer: a sixth of the
    time of prediction.
    """

    def __init__(self) -> None:
        # The copies, and the state that the weights were in: one object, for all threads.
        self._kept: tuple[tuple[tuple[int, int], ...], list[nn.Module]] = (), []

    def of(self, blocks: Iterable[nn.Module]) -> list[nn.Module]:
        """RETURNS (List[Module]): Copies in bfloat16 that do not train."""
        found = list(blocks)
        mark = tuple((p.data_ptr(), p._version) for block in found for p in block.parameters())
        kept_mark, blocks = self._kept
        if mark != kept_mark:
            self.forget()
            blocks = [
                copy.deepcopy(block).to(torch.bfloat16).requires_grad_(False) for block in found
            ]
            self._kept = mark, blocks
        return blocks

    def forget(self) -> None:
        """Release the copies. Whoever changes weights behind torch's back, as thinc's optimizer
        does, has to say so."""
        self._kept = (), []
