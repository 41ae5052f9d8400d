"""The rows of buckets, put back into the order of their windows."""

import numpy
import torch
from torch import Tensor

from .upload import upload

# A layer by its number, or what a consumer made by its name -> (N, E)
Outputs = dict[int | str, Tensor]


class Gathered:
    """Collects what is computed bucket by bucket.

    Without a graph every row goes to its place at once, so that a long text needs memory for its
    vectors once. Within one, rows are sorted at the end: writing to a place would be recorded
    bucket by bucket.

    total (int): N, the rows of all buckets.
    """

    def __init__(self, total: int):
        self.total = total
        self._placed: Outputs = {}
        self._parts: dict[int | str, list[Tensor]] = {}
        self._rows: list[numpy.ndarray] = []

    def add(self, rows: numpy.ndarray, outputs: Outputs) -> None:
        """Take the outputs of a bucket.

        rows (Ints1d): `(n,)` the places of its rows.
        outputs (Outputs): `(n, E)` each.
        """
        self._rows.append(rows)
        for name, output in outputs.items():
            if output.requires_grad:
                self._parts.setdefault(name, []).append(output)
                continue
            if name not in self._placed:
                self._placed[name] = output.new_empty((self.total, *output.shape[1:]))
            self._placed[name].index_copy_(0, upload(rows, output.device), output)

    def in_order(self) -> Outputs:
        """RETURNS (Outputs): `(N, E)` each."""
        order = numpy.argsort(numpy.concatenate(self._rows))
        packed = {**self._placed}
        for name, parts in self._parts.items():
            joined = torch.cat(parts)
            packed[name] = joined.index_select(0, upload(order, joined.device))
        self._placed, self._parts = {}, {}
        return packed
