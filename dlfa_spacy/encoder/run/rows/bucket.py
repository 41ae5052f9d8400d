"""The wordpieces of a bucket, without padding."""

from __future__ import annotations

from functools import cached_property

import numpy
import torch
from torch import Tensor

from ....types import IntArray
from ..attention import Attend, Stretch, attention_within, stretches_of
from ..upload import upload


class Bucket:
    """Windows one after the other.

    ids (Ints1d): `(n,)` wordpieces, window after window.
    types (Optional[Ints1d]): `(n,)` their token types.
    lengths (Ints1d): `(w,)` of the windows, shortest first.
    device (torch.device): Where the encoder computes.
    """

    def __init__(
        self, ids: IntArray, types: IntArray | None, lengths: IntArray, device: torch.device
    ):
        self.ids = ids
        self.types = numpy.zeros_like(ids) if types is None else types
        self.lengths = lengths
        self.device = device

    def upload(self, array: IntArray) -> Tensor:
        """RETURNS (Tensor): An array on the device."""
        return upload(array, self.device)

    @cached_property
    def begins(self) -> IntArray:
        """`(n,)` the row where the window of each row begins."""
        return numpy.repeat(numpy.cumsum(self.lengths) - self.lengths, self.lengths)

    @cached_property
    def positions(self) -> IntArray:
        """`(n,)` the place of each row in its window, from 0."""
        return numpy.arange(len(self.ids)) - self.begins

    @cached_property
    def attend(self) -> Attend:
        """Plain attention of each row over its window."""
        return attention_within(self.lengths, self.device)

    @cached_property
    def stretches(self) -> list[Stretch]:
        """The windows by length, for attention that is not plain."""
        return stretches_of(self.lengths)
