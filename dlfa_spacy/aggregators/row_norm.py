"""Normalization of packed rows."""

import torch.nn.functional as F
from torch import Tensor, nn


class RowBatchNorm(nn.BatchNorm1d):
    """Batch norm that also trains on a batch of one row.

    One row has no variance: PyTorch refuses it. A batch of one window is an ordinary thing in
    spaCy, so such a row is normalized by the running statistics and leaves them as they are.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or len(input) > 1:
            return super().forward(input)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training=False,
            eps=self.eps,
        )


NORMS = ("batch", "layer", "none")


def check_norm(norm: str) -> None:
    """RAISES (ValueError): There is no such norm."""
    if norm not in NORMS:
        raise ValueError(
            f'[aggregation.norm] = "{norm}": expected "batch", "layer" or "none". '
            'Fix: norm = "batch".'
        )


def row_norm(norm: str, width: int) -> nn.Module:
    """RETURNS (nn.Module): A module `(N, width) -> (N, width)` for "batch", "layer" or "none"."""
    if norm == "batch":
        return RowBatchNorm(width)
    if norm == "layer":
        return nn.LayerNorm(width)
    check_norm(norm)
    return nn.Identity()
