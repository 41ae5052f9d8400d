"""From hidden states to vectors of sentences and of words."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...checks import check_choice
from .batch import Side, Words
from .team import shared

WORD_REPRS = ("mean", "first", "last")


def hidden_states(
    encoder: nn.Module, ids: Tensor, mask: Tensor, layers: Sequence[int] | None = None
) -> tuple[Tensor, ...]:
    """Encode a batch, together with the other processes if there are any.

    encoder (Module): The encoder.
    ids, mask (Tensor): `(B, T)`.
    layers (Optional[Sequence[int]]): Which of H^0 to H^L; all by default.
    RETURNS (Tuple[Tensor, ...]): `(B, T, E)` each.
    """

    def run(ids: Tensor, mask: Tensor) -> Sequence[Tensor]:
        output = encoder(
            input_ids=ids, attention_mask=mask, output_hidden_states=True, return_dict=True
        )
        # Where a norm follows the last block, the last of `hidden_states` is not H^L.
        found = (*output.hidden_states[:-1], output.last_hidden_state)
        return found if layers is None else [found[layer] for layer in layers]

    return shared(run, ids, mask)


def last_layer(encoder: nn.Module, side: Side) -> Tensor:
    """RETURNS (Tensor): H^L `(B, T, E)`, see `hidden_states`."""

    def run(ids: Tensor, mask: Tensor) -> list[Tensor]:
        return [encoder(input_ids=ids, attention_mask=mask, return_dict=True).last_hidden_state]

    return shared(run, side.ids, side.mask)[0]


def sentence_means(states: Tensor, mask: Tensor) -> Tensor:
    """Means over wordpieces and special tokens, computed in float32.

    states (Tensor): `(B, T, E)`.
    mask (Tensor): `(B, T)`.
    RETURNS (Tensor): `(B, E)`.
    """
    weights = mask.float()[:, :, None]
    return (states.float() * weights).sum(dim=1) / weights.sum(dim=1)


def word_vectors(states: Tensor, words: Words, word_repr: str = "mean") -> Tensor:
    """One vector per word, in float32.

    states (Tensor): `(B, T, E)`.
    words (Words): Which pieces are whose.
    word_repr (str): `"first"`, `"last"` or `"mean"` of the pieces.
    RETURNS (Tensor): `(n, E)`.
    RAISES (ValueError): No such `word_repr`.
    """
    check_choice("word_repr", word_repr, WORD_REPRS)
    rows = states.flatten(0, 1).float()
    ends = words.lengths.cumsum(0)
    if word_repr != "mean":
        places = ends - (1 if word_repr == "last" else words.lengths)
        return rows[words.rows[places]]
    word = torch.repeat_interleave(torch.arange(len(ends), device=rows.device), words.lengths)
    sums = rows.new_zeros(len(ends), rows.shape[1]).index_add(0, word, rows[words.rows])
    return sums / words.lengths[:, None]
