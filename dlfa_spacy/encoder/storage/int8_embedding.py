"""Rows of a vocabulary as 8-bit integers: a quarter of the bytes, on disk and in memory."""

import torch
from torch import Tensor, nn


class Int8Embedding(nn.Module):
    """row(i) = scale_i * w_i, with w_i in int8 and one scale per row.

    A row is off by at most half a step of its own range.

    num_embeddings, embedding_dim (int): As in `nn.Embedding`.
    padding_idx (Optional[int]): As in `nn.Embedding`; encoders ask for it.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None):
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        self.weight: Tensor
        self.scale: Tensor
        self.register_buffer("weight", torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8))
        # Doubles: what is saved as half floats leaves them alone.
        self.register_buffer("scale", torch.ones(num_embeddings, 1, dtype=torch.float64))

    def forward(self, ids: Tensor) -> Tensor:
        """
        ids: `(b, T)`.
        RETURNS: `(b, T, E)`.
        """
        return self.weight[ids].float() * self.scale[ids].float()

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, int8"


def quantize_embedding(rows: nn.Embedding) -> Int8Embedding:
    """RETURNS (Int8Embedding): The same rows, rounded."""
    weight = rows.weight.detach().cpu()
    largest = weight.abs().amax(dim=1, keepdim=True).double()
    # A row of zeros has no range.
    scale = torch.where(largest > 0, largest / 127, 1.0)
    made = Int8Embedding(rows.num_embeddings, rows.embedding_dim, rows.padding_idx)
    made.weight = (weight.double() / scale).round().to(torch.int8)
    made.scale = scale
    return made
