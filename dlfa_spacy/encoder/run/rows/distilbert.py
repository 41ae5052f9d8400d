"""DistilBERT: BERT with other names and without token types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

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
        words = table.word_embeddings(self.bucket.upload(self.bucket.ids))
        places = table.position_embeddings(self.bucket.upload(self.bucket.positions))
        hidden: Tensor = table.dropout(table.LayerNorm(words + places))
        return hidden

    def run(self, block: Any, hidden: Tensor) -> Tensor:
        attention = block.attention
        projections = (attention.q_lin, attention.k_lin, attention.v_lin)
        heads = (attention.n_heads, -1)
        query, key, value = (project(hidden).unflatten(-1, heads) for project in projections)
        dropout = attention.dropout.p if attention.training else 0.0
        mixed = self.bucket.attend(query, key, value, dropout).flatten(1)
        attended = block.sa_layer_norm(attention.out_lin(mixed) + hidden)
        out: Tensor = block.output_layer_norm(block.ffn(attended) + attended)
        return out
