"""From hidden states to vectors of sentences and of words."""

import torch
from torch import Tensor, nn

from .batch import Side, Words

WORD_REPRS = ("first", "last", "mean")


def hidden_states(encoder: nn.Module, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """RETURNS (Tuple[Tensor, ...]): H^0 to H^L, `(B, T, E)` each."""
    found = encoder(
        input_ids=ids, attention_mask=mask, output_hidden_states=True, return_dict=True
    ).hidden_states
    return tuple(found)


def last_layer(encoder: nn.Module, side: Side) -> Tensor:
    """RETURNS (Tensor): H^L `(B, T, E)`."""
    state: Tensor = encoder(
        input_ids=side.ids, attention_mask=side.mask, return_dict=True
    ).last_hidden_state
    return state


def sentence_means(states: Tensor, mask: Tensor) -> Tensor:
    """Means over wordpieces and special tokens, computed in float32.

    states (Tensor): `(B, T, E)`.
    mask (Tensor): `(B, T)`.
    RETURNS (Tensor): `(B, E)`.
    """
    weights = mask.float()[:, :, None]
    return (states.float() * weights).sum(dim=1) / weights.sum(dim=1)


def word_vectors(states: Tensor, words: Words, word_repr: str = "mean") -> Tensor:
    """One vector a word, in float32.

    states (Tensor): `(B, T, E)`.
    words (Words): Which pieces are whose.
    word_repr (str): `"first"`, `"last"` or `"mean"` of the pieces.
    RETURNS (Tensor): `(n, E)`.
    RAISES (ValueError): No such `word_repr`.
    """
    if word_repr not in WORD_REPRS:
        raise ValueError(
            f'word_repr = "{word_repr}": expected one of {", ".join(WORD_REPRS)}. Fix: '
            'word_repr = "mean".'
        )
    rows = states.flatten(0, 1).float()
    ends = words.lengths.cumsum(0)
    if word_repr != "mean":
        places = ends - (1 if word_repr == "last" else words.lengths)
        return rows[words.rows[places]]
    word = torch.repeat_interleave(torch.arange(len(ends), device=rows.device), words.lengths)
    sums = rows.new_zeros(len(ends), rows.shape[1]).index_add(0, word, rows[words.rows])
    return sums / words.lengths[:, None]
