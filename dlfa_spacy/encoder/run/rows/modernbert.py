"""ModernBERT and mmBERT: rotary positions, and attention to neighbors only in most blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ..attention import mixed_by_length
from .bucket import Bucket
from .contract import Rows


class ModernBertRows(Rows):
    """ModernBERT, which norms before each block, and once more after the last."""

    keeps_bfloat16 = attends_plainly = False

    def __init__(self, transformer: Any, bucket: Bucket):
        super().__init__(transformer, bucket)
        # Angles of each row, by the kind of attention: blocks of one kind share them.
        self._angles: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    @staticmethod
    def computes(transformer: Any) -> bool:
        # Other kinds of angles depend on the longest window. transformers 5 keeps them elsewhere.
        angles = [getattr(block.attn, "rotary_emb", None) for block in transformer.layers]
        return all(getattr(found, "rope_type", "") == "default" for found in angles)

    @staticmethod
    def blocks(transformer: Any) -> nn.ModuleList:
        blocks: nn.ModuleList = transformer.layers
        return blocks

    @staticmethod
    def skipped(transformer: Any) -> Iterator[nn.Module]:
        yield transformer
        for block in transformer.layers:
            yield from (block, block.attn)

    def embed(self) -> Tensor:
        hidden: Tensor = self.transformer.embeddings(input_ids=self.bucket.upload(self.bucket.ids))
        return hidden

    def run(self, block: Any, hidden: Tensor) -> Tensor:
        attended = hidden + self._attend(block.attn, block.attn_norm(hidden))
        out: Tensor = attended + block.mlp(block.mlp_norm(attended))
        return out

    def last(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.transformer.final_norm(hidden)
        return out

    def _attend(self, attention: Any, hidden: Tensor) -> Tensor:
        dropout = attention.attention_dropout if attention.training else 0.0
        # Wordpieces that a row sees on either side; -1 if all.
        reach = attention.local_attention[0]

        def mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            near = _near(query.shape[-2], reach)
            return scaled_dot_product_attention(query, key, value, near, dropout_p=dropout)

        projected = attention.Wqkv(hidden).unflatten(-1, (3, attention.num_heads, -1))
        query_key, value = projected[:, :2], projected[:, 2]  # (n, 2, heads, D), (n, heads, D)
        query, key = self._rotated(attention, query_key).unbind(1)
        mixed = mixed_by_length(self.bucket.stretches, (query, key, value), mix)
        out: Tensor = attention.out_drop(attention.Wo(mixed.flatten(1)))
        return out

    def _rotated(self, attention: Any, x: Tensor) -> Tensor:
        """x cos + rotate(x) sin: `(n, 2, heads, D)`, turned by the place of each row."""
        kind = attention.local_attention
        if kind not in self._angles:
            places = self.bucket.upload(self.bucket.positions)[None]
            cos, sin = attention.rotary_emb(x, position_ids=places)  # (1, n, D)
            self._angles[kind] = cos[0, :, None, None], sin[0, :, None, None]
        cos, sin = self._angles[kind]
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin


def _near(length: int, reach: int) -> Tensor | None:
    """RETURNS (Optional[Tensor]): `(length, length)` (bool) who sees whom; None if everybody
    everybody."""
    if reach < 0 or length <= reach + 1:
        return None
    places = torch.arange(length)
    return (places[:, None] - places).abs() <= reach
