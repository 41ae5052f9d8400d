"""DeBERTa-v2 and v3: attention to contents and to relative positions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ..attention import mixed_by_length
from .bert import BertRows
from .bucket import Bucket


class DebertaRows(BertRows):
    """DeBERTa: BERT but for its attention.

    Its own forward pass multiplies every row with all relative positions that there are, 512 in
    v3. Here a window meets those that it has.
    """

    attends_plainly = False

    def __init__(self, transformer: Any, bucket: Bucket):
        super().__init__(transformer, bucket)
        # Row of the table of relative positions for each pair of places, by the length of windows.
        self._tables: dict[int, Tensor] = {}

    @staticmethod
    def computes(transformer: Any) -> bool:
        encoder = transformer.encoder
        return encoder.relative_attention and encoder.conv is None and transformer.z_steps <= 1

    def _attend(self, attention: Any, hidden: Tensor) -> Tensor:
        dropout = attention.dropout.p if attention.training else 0.0
        heads, kinds = (attention.num_attention_heads, -1), attention.pos_att_type
        scale = (attention.attention_head_size * (1 + ("c2p" in kinds) + ("p2c" in kinds))) ** -0.5
        keys, queries = self._of_positions(attention, hidden.dtype)

        def mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            table = self._table(query.shape[-2], attention)  # (length, length)
            scores = query.new_zeros(())
            if keys is not None:
                scores = scores + _scores(query, keys, table)
            if queries is not None:
                scores = scores + _scores(key, queries, table.T).transpose(-1, -2)
            bias = (scores * scale).expand(*query.shape[:-1], key.shape[-2])
            return scaled_dot_product_attention(
                query, key, value, bias, dropout_p=dropout, scale=scale
            )

        projections = (attention.query_proj, attention.key_proj, attention.value_proj)
        query, key, value = (project(hidden).unflatten(-1, heads) for project in projections)
        return mixed_by_length(self.bucket.stretches, (query, key, value), mix).flatten(1)

    def _of_positions(
        self, attention: Any, dtype: torch.dtype
    ) -> tuple[Tensor | None, Tensor | None]:
        """RETURNS (Tuple[Optional[Tensor], Optional[Tensor]]): Keys and queries that stand for
        relative positions, `(heads, positions, D)` each."""
        rows = attention.pos_dropout(self.transformer.encoder.get_rel_embedding()).to(dtype)
        shared, kinds = attention.share_att_key, attention.pos_att_type

        def projected(kind: str, own: str, of_contents: nn.Module) -> Tensor | None:
            if kind not in kinds:
                return None
            project = of_contents if shared else getattr(attention, own)
            out: Tensor = project(rows).unflatten(-1, (attention.num_attention_heads, -1))
            return out.transpose(0, 1)

        return (
            projected("c2p", "pos_key_proj", attention.key_proj),
            projected("p2c", "pos_query_proj", attention.query_proj),
        )

    def _table(self, length: int, attention: Any) -> Tensor:
        if length not in self._tables:
            # There already: this is an encoder of that module.
            from transformers.models.deberta_v2.modeling_deberta_v2 import build_relative_position

            places = torch.empty(length, 0)
            relative = build_relative_position(
                places, places, attention.position_buckets, attention.max_relative_positions
            )[0]
            span = attention.pos_ebd_size
            self._tables[length] = (relative + span).clamp(0, 2 * span - 1)
        return self._tables[length]


def _scores(rows: Tensor, positions: Tensor, table: Tensor) -> Tensor:
    """Multiply rows with the positions that they see.

    rows (Tensor): `(windows, heads, length, D)`.
    positions (Tensor): `(heads, positions, D)`.
    table (Tensor): `(length, length)` the position for each pair of places.
    RETURNS (Tensor): `(windows, heads, length, length)`.
    """
    first, last = int(table.min()), int(table.max())
    scores = rows @ positions[:, first : last + 1].transpose(-1, -2)
    index = (table - first).expand(*rows.shape[:2], *table.shape)
    return scores.gather(-1, index)
