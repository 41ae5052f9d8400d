"""A bare forward pass of BERT without any padding: Linear layers read packed rows, attention runs
over windows of equal length together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertModel


def packed_forward(model: BertModel, rows: Sequence[Sequence[int]]) -> Tensor:
    """Run BERT over some windows.

    model (BertModel): In evaluation mode.
    rows (Sequence[Sequence[int]]): The wordpieces of each window, sorted by length.
    RETURNS (Tensor): `(N, E)` the last layer, window after window.
    """
    device = model.device
    lengths = [len(row) for row in rows]
    ids = torch.tensor([i for row in rows for i in row], device=device)
    positions = torch.cat([torch.arange(length) for length in lengths]).to(device)
    heads = model.config.num_attention_heads
    width = model.config.hidden_size
    # (windows, length) of each stretch of windows of one length
    groups = [(len(list(same)), length) for length, same in itertools.groupby(lengths)]
    sizes = [count * length for count, length in groups]
    hidden = model.embeddings(
        input_ids=ids[None],
        position_ids=positions[None],
        # Left out, they would be taken from a table as long as one window.
        token_type_ids=torch.zeros_like(ids[None]),
    )[0]  # (N, E)
    layer: Any
    for layer in model.encoder.layer:
        attention = layer.attention.self
        projected = [
            linear(hidden).split(sizes)
            for linear in (attention.query, attention.key, attention.value)
        ]
        context = []
        for (count, length), *parts in zip(groups, *projected, strict=True):
            # (windows * length, E) -> (windows, heads, length, E / heads)
            q, k, v = (
                part.view(count, length, heads, width // heads).transpose(1, 2) for part in parts
            )
            mixed = scaled_dot_product_attention(q, k, v)
            context.append(mixed.transpose(1, 2).reshape(count * length, width))
        hidden = layer.attention.output(torch.cat(context), hidden)
        hidden = layer.output(layer.intermediate(hidden), hidden)
    return hidden
