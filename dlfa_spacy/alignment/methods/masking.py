"""Masked and translation language modeling: which wordpieces are hidden, as new tensors."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

# What the loss leaves out (torch's cross entropy).
IGNORED = -100


@dataclass(frozen=True)
class Vocabulary:
    """What masking needs to know.

    mask_id (int): Id of [MASK].
    ordinary (Tensor): `(V',)` ids a piece may be replaced by: all but special ones.
    """

    mask_id: int
    ordinary: Tensor


def vocabulary(tokenizer: Any, size: int) -> Vocabulary:
    """
    tokenizer (PreTrainedTokenizerBase): The encoder's.
    size (int): Rows of its embeddings.
    RETURNS (Vocabulary): For `mask_pieces`.
    RAISES (ValueError): There is no mask token.
    """
    if tokenizer.mask_token_id is None:
        raise ValueError(
            "The tokenizer has no mask token, so no language model can be trained. Expected one "
            "like [MASK]. Fix: set the method's weight of it to 0, or choose another encoder."
        )
    ordinary = torch.ones(min(size, len(tokenizer)), dtype=torch.bool)
    ordinary[[i for i in tokenizer.all_special_ids if i < len(ordinary)]] = False
    return Vocabulary(int(tokenizer.mask_token_id), ordinary.nonzero()[:, 0])


def mask_pieces(
    ids: Tensor,
    special: Tensor,
    known: Vocabulary,
    generator: torch.Generator,
    rate: float = 0.15,
) -> tuple[Tensor, Tensor]:
    """Choose pieces; 80% of them become [MASK], 10% another piece, 10% stay.

    ids (Tensor): `(B, T)`; not changed.
    special (Tensor): `(B, T)` bool, never chosen.
    known (Vocabulary): See `vocabulary`.
    generator (Generator): On the CPU.
    rate (float): Probability that a piece is chosen.
    RETURNS (Tuple[Tensor, Tensor]): New ids `(B, T)`, and labels `(B, T)`: the old id where a piece
        was chosen, -100 elsewhere.

    Source: Devlin et al. 2019, section 3.1; Conneau & Lample 2019 (TLM).
    """
    chances = torch.rand(ids.shape, generator=generator).to(ids.device)
    chosen = (chances < rate) & ~special
    return hide_pieces(ids, chosen, known, generator), torch.where(chosen, ids, IGNORED)


def hide_pieces(
    ids: Tensor, chosen: Tensor, known: Vocabulary, generator: torch.Generator
) -> Tensor:
    """80% of the chosen pieces become [MASK], 10% another piece, 10% stay.

    ids (Tensor): `(B, T)`; not changed.
    chosen (Tensor): `(B, T)` bool.
    known (Vocabulary): See `vocabulary`.
    generator (Generator): On the CPU.
    RETURNS (Tensor): New ids `(B, T)`.
    """
    kind = torch.rand(ids.shape, generator=generator).to(ids.device)
    drawn = torch.randint(len(known.ordinary), ids.shape, generator=generator)
    others = known.ordinary[drawn].to(ids.device)
    masked = torch.where(chosen & (kind < 0.8), known.mask_id, ids)
    return torch.where(chosen & (kind >= 0.8) & (kind < 0.9), others, masked)
