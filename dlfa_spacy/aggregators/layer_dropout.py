"""Layer dropout: some layers are left out of a training batch."""

import torch
from torch import Tensor

# Added to the logit of a dropped layer; finite, so that its gradient is 0 and not NaN.
DROPPED = -1e4


def check_dropout(dropout: float) -> None:
    """RAISES (ValueError): Not a rate that leaves a layer."""
    if not 0.0 <= dropout < 1.0:
        raise ValueError(
            f"[aggregation.dropout] = {dropout}: expected 0 <= dropout < 1. Fix: 0.1 is usual."
        )


def dropped_layers(count: int, dropout: float, like: Tensor) -> Tensor:
    """Draw the layers to leave out; never all of them.

    count (int): Layers that take part.
    dropout (float): Probability of dropping each.
    like (Tensor): Tells device and dtype.
    RETURNS (Tensor): `(count,)`, 1 for a dropped layer.
    """
    # Drawn on the CPU, so that a seed gives the same run on every device.
    dropped = torch.rand(count) < dropout
    if bool(dropped.all()):
        dropped[int(torch.randint(count, (1,)))] = False
    return dropped.to(device=like.device, dtype=like.dtype)
