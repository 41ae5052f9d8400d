"""From hidden states to vectors of sentences and of words."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...checks import check_choice
from ...encoder.run.packed_rows import packed_layers, runs_packed
from .batch import Side, Words
from .team import shared

WORD_REPRS = ("mean", "first", "last")


def hidden_states(
    encoder: nn.Module, ids: Tensor, mask: Tensor, layers: Sequence[int] | None = None
) -> tuple[Tensor, ...]:
    """Encode a batch, without its padding if the encoder can, and together with the other processes
    if there are any.

    encoder (Module): The encoder.
    ids, mask (Tensor): `(B, T)`, padded on the right.
    layers (Optional[Sequence[int]]): Which of H^0 to H^L, which is -1, too; all by default.
    RETURNS (Tuple[Tensor, ...]): `(B, T, E)` each. What is in the padding means nothing.
    """
    model: Any = encoder
    every = range(model.config.num_hidden_layers + 1)
    wanted = every if layers is None else [every[layer] for layer in layers]
    run = _packed if runs_packed(encoder) else _padded
    return shared(functools.partial(run, model, wanted), ids, mask)


def last_layer(encoder: nn.Module, side: Side) -> Tensor:
    """RETURNS (Tensor): H^L `(B, T, E)`, see `hidden_states`."""
    return hidden_states(encoder, side.ids, side.mask, [-1])[0]


def _packed(encoder: Any, layers: Sequence[int], ids: Tensor, mask: Tensor) -> list[Tensor]:
    lengths = mask.sum(dim=1)
    order = lengths.argsort()
    real = mask[order].bool()
    pieces = ids[order][real].cpu().numpy()
    states = packed_layers(encoder, pieces, None, lengths[order].cpu().numpy(), layers)
    # Rows of (B x T), in the order of the packed ones.
    places = torch.arange(mask.numel(), device=mask.device).view(mask.shape)[order][real]
    return [
        h.new_zeros(mask.numel(), h.shape[1]).index_copy(0, places, h).view(*mask.shape, -1)
        for h in (states[layer] for layer in layers)
    ]


def _padded(encoder: Any, layers: Sequence[int], ids: Tensor, mask: Tensor) -> list[Tensor]:
    last = encoder.config.num_hidden_layers
    only_last = list(layers) == [last]
    output = encoder(
        input_ids=ids,
        attention_mask=mask,
        output_hidden_states=not only_last,
        return_dict=True,
    )
    # Where a norm follows the last block, the last of `hidden_states` is not H^L.
    return [
        output.last_hidden_state if layer == last else output.hidden_states[layer]
        for layer in layers
    ]


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
