"""The torch module that is exported: an encoder and the aggregations that read it."""

import copy

import torch
from torch import Tensor, nn

from ..aggregators import Aggregator
from ..encoder.storage.int4 import BLOCK, MIDDLE
from ..encoder.storage.int4_embedding import Int4Embedding
from ..types import LayerStates


class EncoderGraph(nn.Module):
    """From padded wordpieces to the packed vectors of each aggregation.

    transformer (Module): A Hugging Face encoder.
    aggregations (Sequence[Module]): Read its layers.
    num_layers (int): L.
    """

    def __init__(self, transformer: nn.Module, aggregations: list[Aggregator], num_layers: int):
        super().__init__()
        self.transformer = transformer
        self.aggregations = nn.ModuleList([module.exportable() for module in aggregations])
        self.num_layers = num_layers

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """
        input_ids, attention_mask, token_type_ids: `(b, T)`.
        RETURNS: `(n, E)` for each aggregation; n wordpieces are not masked.
        """
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        output = self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=True,
            return_dict=True,
            **types,
        )
        hidden = [*output.hidden_states[: self.num_layers], output.last_hidden_state]
        rows = attention_mask.reshape(-1).nonzero().squeeze(1)  # (n,)
        packed = {
            layer: h.reshape(-1, h.shape[-1]).index_select(0, rows)
            for layer, h in enumerate(hidden)
        }
        states = LayerStates(packed, self.num_layers)
        lengths = attention_mask.sum(dim=1)
        return tuple(module(states, lengths) for module in self.aggregations)


class ExportableRows(Int4Embedding):
    """Rows in four bits, looked up and unpacked inside the graph, without operators on bits, which
    ONNX has only since opset 18. Floats hold every number exactly."""

    def forward(self, ids: Tensor) -> Tensor:
        halves = self.nibbles[ids].float().unflatten(-1, (-1, BLOCK // 2))  # (b, T, E / 32, 16)
        high = torch.floor(halves / 16)
        blocks = torch.cat((halves - 16 * high, high), dim=-1)  # (b, T, E / 32, 32)
        return ((blocks - MIDDLE) * self.scales[ids].float().unsqueeze(-1)).flatten(-2)


def exportable_rows(rows: Int4Embedding) -> Int4Embedding:
    """RETURNS (Int4Embedding): One with the same rows, which can be exported."""
    same = copy.copy(rows)
    same.__class__ = ExportableRows
    return same
