"""Words with several senses: which one is meant, and the loss of predicting it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def nearest_sense(states: Tensor, centres: Tensor, there: Tensor, projection: Tensor) -> Tensor:
    """The sense whose centre is nearest, by the cosine after a projection.

    states (Tensor): `(n, E)`.
    centres (Tensor): `(n, K, E)`, the senses that each may have.
    there (Tensor): `(n, K)` bool, those that exist; one at least.
    projection (Tensor): `(E, d)`.
    RETURNS (Tensor): `(n,)` int, the first of equals.

    Source: Liu et al. 2022, algorithm 1.
    """
    cosines = F.cosine_similarity((states @ projection)[:, None], centres @ projection, dim=2)
    return cosines.masked_fill(~there, -torch.inf).argmax(dim=1)


def move_centres(centres: Tensor, senses: Tensor, states: Tensor, alpha: float) -> None:
    """Draw the centres of the senses that were met toward the states in which they were met:
    c <- (1 - alpha) c + alpha h. Several states of one sense move it as often, each by their mean.

    centres (Tensor): `(N, E)`, changed in place; all others stay.
    senses (Tensor): `(n,)` int, rows of `centres`.
    states (Tensor): `(n, E)`.
    alpha (float): How far a centre moves.

    Source: Liu et al. 2022, algorithm 1.
    """
    met, places, counts = senses.unique(return_inverse=True, return_counts=True)
    means = centres.new_zeros(len(met), centres.shape[1]).index_add(0, places, states)
    means /= counts[:, None]
    kept = (1 - alpha) ** counts[:, None]
    centres[met] = kept * centres[met] + (1 - kept) * means


def sense_loss(states: Tensor, vectors: Tensor, senses: Tensor, translated: Tensor) -> Tensor:
    """Predict the sense of a word, and that of its translation.

        L = (L_SENSE + L_TRAN) / 2, or L_SENSE where there is no translation

    Both are cross entropies of one softmax over all senses of all words.

    states (Tensor): `(n, E)`, what predicts.
    vectors (Tensor): `(N, E)`, one per sense of all words.
    senses (Tensor): `(n,)` int, rows of `vectors`.
    translated (Tensor): `(n,)` int, the same; -1 for none.
    RETURNS (Tensor): `(n,)`.

    Source: Liu et al. 2022, equations 3 to 7.
    """
    logits = states @ vectors.T
    own = F.cross_entropy(logits, senses, reduction="none")
    other = F.cross_entropy(logits, translated.clamp(min=0), reduction="none")
    return torch.where(translated >= 0, (own + other) / 2, own)


def principal_axes(states: Tensor, number: int) -> Tensor:
    """The directions in which states differ the most.

    states (Tensor): `(n, E)`.
    number (int): d, at most E.
    RETURNS (Tensor): `(E, d)`, orthonormal, the first the widest.
    """
    centred = states - states.mean(dim=0)
    # Ascending, and of E x E however many states there are.
    return torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :number].contiguous()
