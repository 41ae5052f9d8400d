"""Momentum contrast: the negatives are the keys of earlier batches."""

import torch
from torch import Tensor

from .contrastive import contrastive
from .similarity import cosine_matrix


def moco(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    temperature: float = 0.05,
    false_negatives: Tensor | None = None,
) -> Tensor:
    """L = -log( e^{q.k+ / tau} / (e^{q.k+ / tau} + sum_{k- in queue} e^{q.k- / tau}) )

    query (Tensor): `(n, E)`.
    key (Tensor): `(n, E)`, without a gradient.
    queue (Tensor): `(K, E)`, keys of earlier batches.
    temperature (float): tau. 0.05 is in no source that was read.
    false_negatives (Optional[Tensor]): `(n, K)` bool: keys that are the query's own translation.
    RETURNS (Tensor): `()`.

    Source: He et al. 2020 (MoCo), eq. 1; Pan et al. 2021 (PPA), section 2.1.
    """
    n, device = len(query), query.device
    cosines = torch.cat(
        [
            (cosine_matrix(query, key) * torch.eye(n, device=device)).sum(1, keepdim=True),
            cosine_matrix(query, queue),
        ],
        dim=1,
    )
    positives = torch.zeros_like(cosines, dtype=torch.bool)
    positives[:, 0] = True
    negatives = ~positives
    if false_negatives is not None:
        negatives[:, 1:] &= ~false_negatives
    return contrastive(cosines, positives, negatives, temperature)
