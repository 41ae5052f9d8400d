"""The keys of the last batches, first in, first out."""

import torch
from torch import Tensor, nn


class KeyQueue(nn.Module):
    """At most `size` keys; it starts empty, because random keys would be easy negatives.

    size (int): K.
    width (int): E of a key.

    keys (Tensor): `(size, width)`. `labels` `(size,)` int: what a key stands for (-1: nothing yet).
    """

    keys: Tensor
    labels: Tensor
    place: Tensor

    def __init__(self, size: int, width: int):
        super().__init__()
        if size < 1:
            raise ValueError(f"queue = {size}: expected 1 or more. Fix: queue = 32000.")
        self.register_buffer("keys", torch.zeros(size, width))
        self.register_buffer("labels", torch.full((size,), -1, dtype=torch.long))
        self.register_buffer("place", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def push(self, keys: Tensor, labels: Tensor) -> None:
        """
        keys (Tensor): `(n, width)`.
        labels (Tensor): `(n,)` int, 0 or more.
        """
        size = len(self.keys)
        keys, labels = keys[-size:], labels[-size:]
        places = (self.place + torch.arange(len(keys), device=keys.device)) % size
        self.keys[places] = keys.to(self.keys.dtype)
        self.labels[places] = labels
        self.place.copy_((self.place + len(keys)) % size)

    def filled(self) -> tuple[Tensor, Tensor]:
        """RETURNS (Tuple[Tensor, Tensor]): Keys `(n, width)` and labels `(n,)` that are there, as
        copies."""
        there = self.labels >= 0
        return self.keys[there], self.labels[there]
