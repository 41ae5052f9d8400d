"""How differently two texts are attended to, word by word."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def attention_maps(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """What attention without dropout weighs values with, in float32.

    query, key (Tensor): `(B, h, T, d)`.
    mask (Tensor): `(B, T)`, 1 for what may be attended to.
    RETURNS (Tensor): `(B, h, T, T)`; rows sum to 1.
    """
    scores = query.float() @ key.float().transpose(-1, -2) / math.sqrt(query.shape[-1])
    hidden = ~mask.bool()[:, None, None, :]
    return scores.masked_fill(hidden, -math.inf).softmax(dim=-1)


def attention_of_words(
    maps: Tensor, rows: Tensor, lengths: Tensor, chosen: Tensor, pairs: Tensor
) -> list[Tensor]:
    """From wordpieces to words: a word attends as its wordpieces do in the mean, and is attended to
    as they are together.

    maps (Tensor): `(B, h, T, T)`.
    rows (Tensor): `(P,)` int, wordpieces as rows of `(B x T)`, word after word.
    lengths (Tensor): `(n,)` int, wordpieces of each word.
    chosen (Tensor): `(k,)` int, which of the words.
    pairs (Tensor): `(k,)` int, the row of the batch each is in, ascending.
    RETURNS (List[Tensor]): `(h, k_b, k_b)` for each row that has some.
    """
    pieces = maps.new_zeros(len(lengths), maps.shape[-1])
    pieces[torch.repeat_interleave(lengths), rows % maps.shape[-1]] = 1
    found = []
    for b in pairs.unique_consecutive().tolist():
        own = pieces[chosen[pairs == b]]
        found.append((own / own.sum(dim=1, keepdim=True)) @ maps[b] @ own.T)
    return found


def attention_distance(x: Sequence[Tensor], y: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of maps of words that belong together.

    x, y (Sequence[Tensor]): `(h, k, k)` each, the same shapes in both.
    RETURNS (Tensor): `()`.

    Source: Ding et al. 2022 (EAR), attention-pull; there of wordpieces, padding included.
    """
    flat = [torch.cat([part.flatten() for part in side]) for side in (x, y)]
    return F.mse_loss(flat[0], flat[1])


def means_apart(x: Tensor, y: Tensor, cap: float) -> Tensor:
    """The squared distance of means, with a minus: less is further apart.

    x, y (Tensor): `(B, E)`.
    cap (float): Beyond it there is no gradient: the loss of the paper has no lower bound.
    RETURNS (Tensor): `()`.

    Source: Ding et al. 2022 (EAR), embedding-push.
    """
    return -F.mse_loss(x.float(), y.float()).clamp(max=cap)
