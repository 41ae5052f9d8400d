"""What a kind of encoder has to say to run on packed rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from .bucket import Bucket


class Rows(ABC):
    """One run of an encoder over a bucket.

    transformer (Module): Of a class that this one is for, see `computes`.
    bucket (Bucket): Its windows.
    """

    # Whether bfloat16 may hold what goes from block to block. That of an encoder that norms before
    # its blocks grows, and is kept in fp32.
    keeps_bfloat16 = True
    # Whether its attention is `Bucket.attend`, which a GPU has, too.
    attends_plainly = True

    def __init__(self, transformer: Any, bucket: Bucket):
        self.transformer = transformer
        self.bucket = bucket

    @staticmethod
    @abstractmethod
    def computes(transformer: Any) -> bool:
        """RETURNS (bool): Whether the settings of the encoder are those that this is for."""

    @staticmethod
    @abstractmethod
    def blocks(transformer: Any) -> nn.ModuleList:
        """RETURNS (ModuleList): What `run` is called with, one after the other."""

    @staticmethod
    @abstractmethod
    def skipped(transformer: Any) -> Iterator[nn.Module]:
        """YIELDS (Module): The modules whose own forward is not called."""

    @abstractmethod
    def embed(self) -> Tensor:
        """RETURNS (Tensor): H^0 `(n, E)`."""

    @abstractmethod
    def run(self, block: Any, hidden: Tensor) -> Tensor:
        """RETURNS (Tensor): What a block makes of `(n, E)`."""

    def last(self, hidden: Tensor) -> Tensor:
        """RETURNS (Tensor): `last_hidden_state`, from what the last block made, `(n, E)` each."""
        return hidden
