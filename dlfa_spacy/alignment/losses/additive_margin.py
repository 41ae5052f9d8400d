"""Additive margin softmax: a translation has to be nearer than anything else by a margin."""

import torch
from torch import Tensor

from .contrastive import contrastive
from .similarity import cosine_matrix


def additive_margin(
    x: Tensor,
    y: Tensor,
    margin: float = 0.3,
    scale: float = 20.0,
    same: Tensor | None = None,
) -> Tensor:
    """Both directions; the negatives are the other language's sentences.

        -1/N sum_i log[ e^{k(phi_ii - m)} / (e^{k(phi_ii - m)} + sum_{n != i} e^{k phi_in}) ]
        + the same with the roles swapped

    x, y (Tensor): `(n, E)`; row i of both is a pair.
    margin (float): m. 0.3 as in LaBSE.
    scale (float): k, the inverse of a temperature. 20 is in no source that was read.
    same (Optional[Tensor]): `(n, n)` bool: pairs that share a sentence; no negatives.
    RETURNS (Tensor): `()`.

    Source: Feng et al. 2022 (LaBSE), eq. 1 and 2; Yang et al. 2019.
    """
    own = torch.eye(len(x), dtype=torch.bool, device=x.device)
    negatives = ~own if same is None else ~(own | same)
    phi = cosine_matrix(x, y)
    forward = contrastive(phi, own, negatives, 1 / scale, margin)
    # `same` is symmetric, so its transpose is itself.
    return forward + contrastive(phi.T, own, negatives, 1 / scale, margin)
