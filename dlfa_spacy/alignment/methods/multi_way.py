"""Sentences of many languages at once, joined by their English side."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...checks import check_choice, check_number
from ..losses.multi_way import multi_way
from ..training.batch import Batch, Side
from ..training.method import Method
from ..training.vectors import last_layer, sentence_means

POOLS = ("mean", "cls")


@dataclass(frozen=True)
class MultiWaySettings:
    """Settings of multi-way alignment.

    temperature (float): tau. 0.05 is in no source that was read.
    pool (str): The sentence vector: the `"mean"` of all wordpieces, or `"cls"`.
    """

    temperature: float = 0.05
    pool: str = "mean"

    def __post_init__(self) -> None:
        tau = self.temperature
        check_number("temperature", tau, tau > 0, "a number above 0", 0.05)
        check_choice("pool", self.pool, POOLS)


class MultiWay(Method):
    """Every language an anchor, see `losses.multi_way`. Pairs with an equal English side are one
    meaning, and come in one batch.

    Source: Fazili & Goswami 2026, from its abstract.
    """

    settings_class = MultiWaySettings
    by_meaning = True

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        names: dict[str, int] = {}
        meanings = [names.setdefault(text, len(names)) for text in batch.english]
        # Of English, which is the same for all pairs of a meaning, each sentence once.
        first = [meanings.index(number) for number in range(len(names))]
        vectors = torch.cat([self.embed(batch.source), self.embed(batch.target)[first]])
        numbers = torch.tensor([*meanings, *range(len(names))], device=vectors.device)
        return {"loss": multi_way(vectors, numbers, self.settings.temperature)}

    def embed(self, side: Side) -> Tensor:
        """RETURNS (Tensor): `(B, E)`."""
        states = last_layer(self.encoder, side)
        return sentence_means(states, side.mask) if self.settings.pool == "mean" else states[:, 0]
