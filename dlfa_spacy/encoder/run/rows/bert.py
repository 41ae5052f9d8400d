"""BERT, ELECTRA, and RoBERTa with XLM-R and CamemBERT."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from torch import Tensor, nn

from ....types import IntArray
from .contract import Rows


class BertRows(Rows):
    """BERT, which norms after each block."""

    @staticmethod
    def computes(transformer: Any) -> bool:
        config = transformer.config
        positions = getattr(config, "position_embedding_type", "absolute")
        return not config.is_decoder and positions == "absolute"

    @staticmethod
    def blocks(transformer: Any) -> nn.ModuleList:
        blocks: nn.ModuleList = transformer.encoder.layer
        return blocks

    @staticmethod
    def skipped(transformer: Any) -> Iterator[nn.Module]:
        yield transformer
        yield transformer.encoder
        for block in transformer.encoder.layer:
            yield from (block, block.attention, block.attention.self)

    def positions(self) -> IntArray:
        """RETURNS (Ints1d): `(n,)` the row of the table of positions for each wordpiece."""
        return self.bucket.positions

    def embed(self) -> Tensor:
        hidden: Tensor = self.transformer.embeddings(
            input_ids=self.bucket.upload(self.bucket.ids)[None],
            position_ids=self.bucket.upload(self.positions())[None],
            # Left out, they would be taken from a table as long as one window.
            token_type_ids=self.bucket.upload(self.bucket.types)[None],
        )[0]
        return hidden

    def run(self, block: Any, hidden: Tensor) -> Tensor:
        mixed = self._attend(block.attention.self, hidden)
        attended = block.attention.output(mixed, hidden)
        out: Tensor = block.output(block.intermediate(attended), attended)
        return out

    def _attend(self, attention: Any, hidden: Tensor) -> Tensor:
        projections = (attention.query, attention.key, attention.value)
        heads = (attention.num_attention_heads, -1)
        query, key, value = (project(hidden).unflatten(-1, heads) for project in projections)
        dropout = attention.dropout.p if attention.training else 0.0
        return self.bucket.attend(query, key, value, dropout).flatten(1)


class RobertaRows(BertRows):
    """RoBERTa counts positions from behind its padding, and leaves padding out, even where a text
    has it."""

    def positions(self) -> IntArray:
        pad = self.transformer.embeddings.padding_idx
        real = self.bucket.ids != pad
        before = numpy.concatenate([[0], numpy.cumsum(real)])
        positions: IntArray = pad + real * (before[1:] - before[self.bucket.begins])
        return positions


class ElectraRows(BertRows):
    """ELECTRA, whose embeddings may be narrower than its blocks."""

    def embed(self) -> Tensor:
        hidden = super().embed()
        project = getattr(self.transformer, "embeddings_project", None)
        return hidden if project is None else project(hidden)
