"""Encoders and parts of encoders that do not train."""

import copy
from typing import Any

from torch import nn

from ...checks import check_choice
from ...encoder.run.early_exit import find_blocks

FREEZE = ("none", "lower", "upper")


class Frozen(nn.Module):
    """A copy of a module as it is now: no gradient, no dropout, whatever surrounds it does.

    module (Module): What is copied.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = copy.deepcopy(module).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Frozen":
        super().train(False)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)


def freeze_half(encoder: Any, half: str) -> None:
    """Freeze blocks of an encoder.

    encoder (Module): A Hugging Face encoder of L blocks.
    half (str): `"lower"`: the embeddings and blocks 1 to L // 2. `"upper"`: the others. `"none"`.
    RAISES (ValueError): No such half, or the blocks are not one plain list.

    Source: Bakos et al. 2025 (AlignFreeze).
    """
    check_choice("freeze", half, FREEZE)
    if half == "none":
        return
    number = int(encoder.config.num_hidden_layers)
    blocks = find_blocks(encoder, number)
    if blocks is None:
        raise ValueError(
            f'freeze = "{half}": {type(encoder).__name__} has no plain list of {number} blocks. '
            'Expected an encoder like BERT. Fix: freeze = "none".'
        )
    lower = list(blocks[: number // 2])
    upper = list(blocks[number // 2 :])
    for block in lower if half == "lower" else upper:
        block.requires_grad_(False)
    if half == "lower":
        inside = {id(p) for p in blocks.parameters()}
        for name, parameter in encoder.named_parameters():
            if id(parameter) not in inside and "embeddings" in name:
                parameter.requires_grad_(False)
