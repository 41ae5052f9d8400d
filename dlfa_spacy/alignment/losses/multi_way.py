"""Every language an anchor: all sentences of one meaning are positives of each other."""

import torch
from torch import Tensor

from .contrastive import contrastive
from .similarity import cosine_matrix


def multi_way(vectors: Tensor, meanings: Tensor, temperature: float = 0.05) -> Tensor:
    """InfoNCE over sentences in any number of languages.

        mean over anchors a, and over positives p of a, of
        -log[ e^{s_ap} / (e^{s_ap} + sum_n e^{s_an}) ],   s = cos / tau

    Negatives are all sentences of other meanings, in all languages. A meaning need not be there in
    every language; one that is there in a single one is a negative of others alone. With two
    languages it is InfoNCE over both sides.

    vectors (Tensor): `(n, E)`.
    meanings (Tensor): `(n,)` int, equal for translations of each other.
    temperature (float): tau. 0.05 is in no source that was read.
    RETURNS (Tensor): `()`.

    Source: Fazili & Goswami 2026 (Enhancing Multilingual Embeddings via Multi-Way Parallel Text
    Alignment), from its abstract: each language serves as the anchor.
    """
    alike = meanings[:, None] == meanings[None, :]
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    return contrastive(cosine_matrix(vectors, vectors), alike & ~itself, ~alike, temperature)
