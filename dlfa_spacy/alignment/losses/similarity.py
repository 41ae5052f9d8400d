"""Cosines of all rows with all rows."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cosine_matrix(x: Tensor, y: Tensor) -> Tensor:
    """Cosines in float32, because bfloat16 has 3 digits and a temperature of 0.07 enlarges them.

    x (Tensor): `(n, E)`.
    y (Tensor): `(m, E)`.
    RETURNS (Tensor): `(n, m)`.
    """
    with torch.autocast(x.device.type, enabled=False):
        wide = torch.promote_types(x.dtype, torch.float32)
        return F.normalize(x.to(wide), dim=1) @ F.normalize(y.to(wide), dim=1).T
