"""The wordpieces of a bucket, and attention among those of each window."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy
import torch
from torch import Tensor

from ....types import IntArray


class Bucket:
    """Windows without padding.

    ids (Ints1d): `(n,)` wordpieces, window after window.
    types (Optional[Ints1d]): `(n,)` their token types.
    lengths (Ints1d): `(w,)` of the windows, shortest first.
    """

    def __init__(self, ids: IntArray, types: IntArray | None, lengths: IntArray):
        self.ids = ids
        self.types = numpy.zeros_like(ids) if types is None else types
        self.lengths = lengths

    @cached_property
    def begins(self) -> IntArray:
        """`(n,)` the row where the window of each row begins."""
        return numpy.repeat(numpy.cumsum(self.lengths) - self.lengths, self.lengths)

    @cached_property
    def positions(self) -> IntArray:
        """`(n,)` the place of each row in its window, from 0."""
        return numpy.arange(len(self.ids)) - self.begins

    @cached_property
    def stretches(self) -> list[tuple[int, int]]:
        """Windows of one length: how many, and the length."""
        return [(len(list(same)), n) for n, same in itertools.groupby(self.lengths.tolist())]

    def attend(self, projected: Sequence[Tensor], heads: int, mix: Callable[..., Tensor]) -> Tensor:
        """Mix the rows of each window.

        projected (Sequence[Tensor]): `(n, E)` each: queries, keys and values.
        heads (int): What E is divided among.
        mix (Callable): Takes `(windows, heads, length, E / heads)` of each, for all windows of one
            length, and returns one such.
        RETURNS (Tensor): `(n, E)`.
        """
        sizes = [count * length for count, length in self.stretches]
        mixed = []
        for (count, length), *parts in zip(
            self.stretches, *(x.split(sizes) for x in projected), strict=True
        ):
            windows = (part.view(count, length, heads, -1).transpose(1, 2) for part in parts)
            mixed.append(mix(*windows).transpose(1, 2).reshape(count * length, -1))
        return mixed[0] if len(mixed) == 1 else torch.cat(mixed)
