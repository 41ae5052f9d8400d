"""Contrastive alignment of words: among translations alone (weak) or among all words (strong)."""

import torch
from torch import Tensor

from .contrastive import contrastive
from .similarity import cosine_matrix


def weak_words(x: Tensor, y: Tensor, temperature: float = 0.1) -> Tensor:
    """InfoNCE where the candidates are the words of the other language, both directions averaged.

    x, y (Tensor): `(n, E)`, linked words.
    temperature (float): tau. 0.1 as in the authors' code.
    RETURNS (Tensor): `()`.

    Source: Wu & Dredze 2020 (Do Explicit Alignments Robustly Improve Multilingual Encoders?), weak.
    """
    own = torch.eye(len(x), dtype=torch.bool, device=x.device)
    cosines = cosine_matrix(x, y)
    forward = contrastive(cosines, own, ~own, temperature)
    return (forward + contrastive(cosines.T, own, ~own, temperature)) / 2


def strong_words(
    words: Tensor, links: Tensor, temperature: float = 0.1, same: Tensor | None = None
) -> Tensor:
    """InfoNCE where words of the same language are negatives too.

    words (Tensor): `(n, E)`, all candidates of both languages: the linked words (Wu & Dredze) or
        all words of all sentences (Gaschi et al.).
    links (Tensor): `(k, 2)` rows of `words` that are translations of each other.
    temperature (float): tau. 0.1 as in the authors' code.
    same (Optional[Tensor]): `(n,)` int: words of one number are not negatives of each other.
    RETURNS (Tensor): `()`, the mean over the linked words.

    Source: Wu & Dredze 2020, strong; Gaschi et al. 2023, section 3.1.
    """
    anchors = torch.cat([links[:, 0], links[:, 1]])
    wanted = torch.cat([links[:, 1], links[:, 0]])
    rows = torch.arange(len(anchors), device=words.device)
    shape = (len(anchors), len(words))
    positives = torch.zeros(shape, dtype=torch.bool, device=words.device)
    positives[rows, wanted] = True
    negatives = ~positives
    negatives[rows, anchors] = False
    if same is not None:
        # Copies of the anchor and copies of its translation are both false negatives.
        negatives &= (same[anchors][:, None] != same) & (same[wanted][:, None] != same)
    return contrastive(cosine_matrix(words[anchors], words), positives, negatives, temperature)
