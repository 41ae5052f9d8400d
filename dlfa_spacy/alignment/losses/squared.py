"""How far linked words are from each other."""

import torch.nn.functional as F
from torch import Tensor


def squared_distance(x: Tensor, y: Tensor, reduction: str = "mean") -> Tensor:
    """Squared distance of rows.

    x, y (Tensor): `(n, E)`.
    reduction (str): `"mean"` over all n x E numbers (the code of Cao et al.), or
        `"sum"` over the E, mean over the n (the paper, and Wu & Dredze's L2): E times as much, so a
        weight beside it means something else.
    RETURNS (Tensor): `()`; 0 for no rows.
    RAISES (ValueError): No such reduction.

    Source: Cao, Kitaev & Klein 2020, section 2.
    """
    if reduction not in ("mean", "sum"):
        raise ValueError(
            f'reduction = "{reduction}": expected "mean" or "sum". Fix: reduction = "mean".'
        )
    # At least one row in the divisor: the mean of nothing is not a number.
    total = F.mse_loss(x.float(), y.float(), reduction="sum") / max(len(x), 1)
    return total / x.shape[1] if reduction == "mean" else total
