"""The rows of buckets, put back into the order of their windows."""

import numpy
import torch
from torch import Tensor
from transformers.utils import ModelOutput


class Gathered:
    """Collects what is computed bucket by bucket.

    Without a graph every row goes to its place at once, so that a long text needs memory for its
    vectors once. Within one, rows are sorted at the end: writing to a place would be recorded
    bucket by bucket.

    total (int): N, the rows of all buckets.
    """

    def __init__(self, total: int):
        self.total = total
        self._placed: dict[str, Tensor] = {}
        self._parts: dict[str, list[Tensor]] = {}
        self._rows: list[numpy.ndarray] = []

    def add(self, rows: numpy.ndarray, outputs: dict[str, Tensor]) -> None:
        """Take the outputs of a bucket.

        rows (Ints1d): `(n,)` the places of its rows.
        outputs (Dict[str, Tensor]): `(n, E)` each.
        """
        self._rows.append(rows)
        for name, output in outputs.items():
            if output.requires_grad:
                self._parts.setdefault(name, []).append(output)
                continue
            if name not in self._placed:
                self._placed[name] = output.new_empty((self.total, *output.shape[1:]))
            self._placed[name].index_copy_(0, torch.from_numpy(rows).to(output.device), output)

    def in_order(self) -> ModelOutput:
        """RETURNS (ModelOutput): `(N, E)` each. The last layer first: stock code takes the first
        gradient for it."""
        order = torch.from_numpy(numpy.argsort(numpy.concatenate(self._rows)))
        packed = ModelOutput()
        names = {*self._placed, *self._parts}
        for name in sorted(names, key=lambda name: (name != "last_hidden_state", name)):
            if name in self._placed:
                packed[name] = self._placed.pop(name)
            else:
                parts = torch.cat(self._parts.pop(name))
                packed[name] = parts.index_select(0, order.to(parts.device))
        return packed
