"""Rows of a vocabulary in four bits, in memory too: each is unpacked as it is looked up."""

from typing import Any

import torch
from torch import Tensor, nn

from .int4 import BLOCK, pack, unpack


class Int4Embedding(nn.Module):
    """An embedding whose rows stay packed, an eighth of fp32. It never trains.

    num_embeddings, embedding_dim (int): As in `nn.Embedding`; the width is a multiple of 32.
    padding_idx (Optional[int]): As in `nn.Embedding`; encoders ask for it.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.nibbles: Tensor
        self.scales: Tensor
        nibbles = torch.zeros(num_embeddings, embedding_dim // 2, dtype=torch.uint8)
        scales = torch.zeros(num_embeddings, embedding_dim // BLOCK, dtype=torch.float16)
        self.register_buffer("nibbles", nibbles)
        self.register_buffer("scales", scales)

    def forward(self, ids: Tensor) -> Tensor:
        """
        ids: `(b, T)`.
        RETURNS: `(b, T, E)`.
        """
        return unpack(self.nibbles[ids], self.scales[ids])

    @property
    def weight(self) -> Tensor:
        """All rows, `(V, E)`, unpacked again each time: for what reads a vocabulary as a matrix."""
        return unpack(self.nibbles, self.scales)

    def rows(self, kept: Tensor, padding_idx: int | None) -> "Int4Embedding":
        """RETURNS (Int4Embedding): Some rows `(V',)`, as they are."""
        made = Int4Embedding(len(kept), self.embedding_dim, padding_idx)
        on_device = kept.to(self.nibbles.device)
        made.nibbles, made.scales = self.nibbles[on_device], self.scales[on_device]
        return made

    def unpacked(self) -> nn.Embedding:
        """RETURNS (Embedding): The same rows in fp32, which can train."""
        return nn.Embedding(
            self.num_embeddings, self.embedding_dim, self.padding_idx, _weight=self.weight
        )

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, int4"


def pack_embedding(rows: nn.Embedding) -> Int4Embedding:
    """RETURNS (Int4Embedding): The same rows, rounded."""
    made = Int4Embedding(rows.num_embeddings, rows.embedding_dim, rows.padding_idx)
    made.nibbles, made.scales = pack(rows.weight)
    return made


def pack_vocabulary(transformer: Any) -> Int4Embedding:
    """Round the rows of an encoder's wordpieces.

    transformer (PreTrainedModel): Changed in place.
    RETURNS (Int4Embedding): Its rows now.
    RAISES (ValueError): They are no floats, or cannot be packed.
    """
    rows = transformer.get_input_embeddings()
    if not isinstance(rows, nn.Embedding):
        raise ValueError(
            f"{type(transformer).__name__} has no embedding of floats for its wordpieces (found "
            f"{type(rows).__name__})."
        )
    name = next(name for name, module in transformer.named_modules() if module is rows)
    made = pack_embedding(rows)
    transformer.set_submodule(name, made)
    return made


def unpack_embeddings(transformer: nn.Module) -> bool:
    """Put rows of floats where an encoder's vocabulary is packed, so that it can train.

    transformer (Module): Changed in place.
    RETURNS (bool): Whether there was anything to do.
    """
    packed = [(name, m) for name, m in transformer.named_modules() if isinstance(m, Int4Embedding)]
    for name, module in packed:
        transformer.set_submodule(name, module.unpacked())
    return bool(packed)


def has_packed_embeddings(transformer: nn.Module) -> bool:
    """RETURNS (bool): Whether some rows are in four bits."""
    return any(isinstance(module, Int4Embedding) for module in transformer.modules())
