"""BERT without padding: Linear layers read packed rows, attention runs by length of windows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertModel, RobertaModel, XLMRobertaModel

from ...types import IntArray

# Windows of one length: how many, and the length.
Stretch = tuple[int, int]


def runs_packed(transformer: nn.Module) -> bool:
    """Whether `packed_layers` computes just what an encoder's own forward pass would.

    transformer (Module): Any encoder.
    RETURNS (bool): True for a plain BERT or RoBERTa on a CPU. (On a GPU many small kernels cost
        more than padding.) False if something hooks into the modules that would be left out.
    """
    # Subclasses may compute something else.
    if type(transformer) not in (BertModel, RobertaModel, XLMRobertaModel):
        return False
    model: Any = transformer
    config = model.config
    if (
        model.device.type != "cpu"
        or model.is_gradient_checkpointing
        or config.is_decoder
        or getattr(config, "position_embedding_type", "absolute") != "absolute"
    ):
        return False
    return not any(module._forward_hooks or module._forward_pre_hooks for module in _skipped(model))


def packed_layers(
    transformer: Any,
    ids: IntArray,
    types: IntArray | None,
    lengths: IntArray,
    layers: Iterable[int],
    blocks: Sequence[nn.Module] | None = None,
) -> dict[int, Tensor]:
    """Run BERT over packed windows, up to the highest layer wanted.

    transformer (Module): See `runs_packed`.
    ids (Ints1d): `(n,)` wordpieces, window after window.
    types (Optional[Ints1d]): `(n,)` their token types.
    lengths (Ints1d): `(w,)` of the windows, shortest first.
    layers (Iterable[int]): The layers wanted; 0 are the embeddings.
    blocks (Optional[Sequence[Module]]): Run these instead of its own, in the type of their weights.
    RETURNS (Dict[int, Tensor]): `(n, E)` each, with its graph if gradients are on.
    """
    wanted = set(layers)
    positions = _positions(transformer, ids, lengths)
    hidden = transformer.embeddings(
        input_ids=torch.from_numpy(ids)[None],
        position_ids=torch.from_numpy(positions)[None],
        # Left out, they would be taken from a table as long as one window.
        token_type_ids=torch.from_numpy(numpy.zeros_like(ids) if types is None else types)[None],
    )[0]
    stretches = [(len(list(same)), n) for n, same in itertools.groupby(lengths.tolist())]
    found = {0: hidden}
    if blocks is None:
        blocks = transformer.encoder.layer
    else:
        hidden = hidden.to(next(blocks[0].parameters()).dtype)
    block: Any
    for number, block in enumerate(blocks[: max(wanted)], start=1):
        attended = block.attention.output(_attend(block.attention.self, hidden, stretches), hidden)
        hidden = block.output(block.intermediate(attended), attended)
        if number in wanted:
            found[number] = hidden
    return {layer: found[layer] for layer in wanted}


def _attend(attention: Any, hidden: Tensor, stretches: Sequence[Stretch]) -> Tensor:
    """RETURNS (Tensor): `(n, E)` what each row takes from its own window."""
    sizes = [count * length for count, length in stretches]
    heads = attention.num_attention_heads
    dropout = attention.dropout.p if attention.training else 0.0
    parts = zip(
        stretches,
        attention.query(hidden).split(sizes),
        attention.key(hidden).split(sizes),
        attention.value(hidden).split(sizes),
        strict=True,
    )
    mixed = []
    for (count, length), *projected in parts:
        # (count * length, E) -> (count, heads, length, E / heads)
        query, key, value = (
            part.view(count, length, heads, -1).transpose(1, 2) for part in projected
        )
        context = scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        mixed.append(context.transpose(1, 2).reshape(count * length, -1))
    return mixed[0] if len(mixed) == 1 else torch.cat(mixed)


def _positions(transformer: Any, ids: IntArray, lengths: IntArray) -> IntArray:
    """RETURNS (Ints1d): `(n,)` the row of the table of positions for each wordpiece."""
    begins = numpy.repeat(numpy.cumsum(lengths) - lengths, lengths)
    if isinstance(transformer, BertModel):
        return numpy.arange(len(ids)) - begins
    # RoBERTa counts from behind its padding, and leaves padding out, even where a text has it.
    pad = transformer.embeddings.padding_idx
    real = ids != pad
    before = numpy.concatenate([[0], numpy.cumsum(real)])
    return pad + real * (before[1:] - before[begins])


def _skipped(transformer: Any) -> Iterator[nn.Module]:
    """YIELDS (Module): The modules whose own forward is not called."""
    yield transformer
    yield transformer.encoder
    for block in transformer.encoder.layer:
        yield from (block, block.attention, block.attention.self)
