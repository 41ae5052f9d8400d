"""DistilBERT: BERT with other names and without token types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .contract import Rows


class DistilBertRows(Rows):
    """DistilBERT, which norms after each block."""

    @staticmethod
    def computes(transformer: Any) -> bool:
        return True

    @staticmethod
    def blocks(transformer: Any) -> nn.ModuleList:
        blocks: nn.ModuleList = transformer.transformer.layer
        return blocks

    @staticmethod
    def skipped(transformer: Any) -> Iterator[nn.Module]:
        yield transformer
        yield transformer.transformer
        # It takes no positions, and counts them itself.
        yield transformer.embeddings
        for block in transformer.transformer.layer:
            yield from (block, block.attention)

    def embed(self) -> Tensor:
        table = self.transformer.embeddings
        words = table.word_embeddings(torch.from_numpy(self.bucket.ids))
        places = table.position_embeddings(torch.from_numpy(self.bucket.positions))
        hidden: Tensor = table.dropout(table.LayerNorm(words + places))
        return hidden

    def run(self, block: Any, hidden: Tensor) -> Tensor:
        attention = block.attention
        dropout = attention.dropout.p if attention.training else 0.0

        def mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            return scaled_dot_product_attention(query, key, value, dropout_p=dropout)

        projected = [part(hidden) for part in (attention.q_lin, attention.k_lin, attention.v_lin)]
        mixed = attention.out_lin(self.bucket.attend(projected, attention.n_heads, mix))
        attended = block.sa_layer_norm(mixed + hidden)
        out: Tensor = block.output_layer_norm(block.ffn(attended) + attended)
        return out
