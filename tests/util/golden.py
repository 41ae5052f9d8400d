"""The numbers that golden values were computed with."""

import torch
from torch import Tensor


def fill(shape: tuple[int, ...], a: float, b: float) -> Tensor:
    """RETURNS (Tensor): a sin(b + i), row by row, in double precision."""
    steps = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return (a * torch.sin(b + steps)).reshape(shape)
