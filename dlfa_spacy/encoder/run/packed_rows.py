"""BERT without padding: Linear layers read packed rows, attention stays within windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from transformers import BertModel, RobertaModel, XLMRobertaModel

from ...types import IntArray
from .attention import Attend, attends, attention_within
from .upload import upload


def runs_packed(transformer: nn.Module) -> bool:
    """Whether `packed_layers` computes just what an encoder's own forward pass would.

    transformer (Module): Any encoder.
    RETURNS (bool): True for a plain BERT or RoBERTa on a CPU; on a GPU for prediction. (A batch to
        train on is small: padding costs a GPU nothing there.) False if something hooks into the
        modules that would be left out.
    """
    # Subclasses may compute something else.
    if type(transformer) not in (BertModel, RobertaModel, XLMRobertaModel):
        return False
    model: Any = transformer
    config = model.config
    if (
        model.is_gradient_checkpointing
        or config.is_decoder
        or getattr(config, "position_embedding_type", "absolute") != "absolute"
    ):
        return False
    # Nested tensors, which a GPU may need, have no inference mode.
    trains = torch.is_grad_enabled() or torch.is_inference_mode_enabled()
    if model.device.type != "cpu" and trains:
        return False
    if any(module._forward_hooks or module._forward_pre_hooks for module in _skipped(model)):
        return False
    return attends(model.device)


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
    device = transformer.device
    hidden = transformer.embeddings(
        input_ids=upload(ids, device)[None],
        position_ids=upload(_positions(transformer, ids, lengths), device)[None],
        # Left out, they would be taken from a table as long as one window.
        token_type_ids=upload(numpy.zeros_like(ids) if types is None else types, device)[None],
    )[0]
    attend = attention_within(lengths, device)
    found = {0: hidden}
    if blocks is None:
        blocks = transformer.encoder.layer
    else:
        hidden = hidden.to(next(blocks[0].parameters()).dtype)
    block: Any
    for number, block in enumerate(blocks[: max(wanted)], start=1):
        attended = block.attention.output(_mix(block.attention.self, hidden, attend), hidden)
        hidden = block.output(block.intermediate(attended), attended)
        if number in wanted:
            found[number] = hidden
    return {layer: found[layer] for layer in wanted}


def _mix(attention: Any, hidden: Tensor, attend: Attend) -> Tensor:
    """RETURNS (Tensor): `(n, E)` what each row takes from its own window."""
    projections = (attention.query, attention.key, attention.value)
    heads = (attention.num_attention_heads, -1)
    query, key, value = (project(hidden).unflatten(-1, heads) for project in projections)
    dropout = attention.dropout.p if attention.training else 0.0
    return attend(query, key, value, dropout).flatten(1)


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
