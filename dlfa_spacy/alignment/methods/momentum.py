"""The exponential moving average of a module."""

import torch
from torch import nn

from .frozen import Frozen


class Momentum(Frozen):
    """A copy that follows: theta_k <- m theta_k + (1 - m) theta_q. It never has a gradient.

    module (Module): The one that trains.
    momentum (float): m.

    Source: He et al. 2020 (MoCo), eq. 2.
    """

    def __init__(self, module: nn.Module, momentum: float):
        super().__init__(module)
        if not 0 <= momentum < 1:
            raise ValueError(
                f"momentum = {momentum}: expected 0 or more, below 1. Fix: momentum = 0.999."
            )
        self.momentum = momentum

    @torch.no_grad()
    def follow(self, module: nn.Module) -> None:
        """module (Module): The one that trains, after a step."""
        for own, other in zip(self.module.parameters(), module.parameters(), strict=True):
            own.lerp_(other, 1 - self.momentum)
