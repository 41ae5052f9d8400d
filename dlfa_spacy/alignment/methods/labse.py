"""Sentence embeddings with an additive margin, as LaBSE has them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...checks import check_choice, check_number
from ...encoder.pooler import find_pooler
from ..losses import additive_margin
from ..training.batch import Batch, Side
from ..training.method import Method
from ..training.vectors import last_layer, sentence_means

POOLS = ("cls", "mean", "pooler")


@dataclass(frozen=True)
class LabseSettings:
    """Settings of LaBSE.

    margin (float): m. 0.3 as in LaBSE.
    scale (float): k, the inverse of the temperature. 20 is in no source that was read.
    pool (str): The sentence vector: `"cls"` (the paper), the encoder's own `"pooler"` over it (the
        public weights), or the `"mean"` of all wordpieces.
    """

    margin: float = 0.3
    scale: float = 20.0
    pool: str = "cls"

    def __post_init__(self) -> None:
        check_number("margin", self.margin, self.margin >= 0, "0 or more", 0.3)
        check_number("scale", self.scale, self.scale > 0, "a number above 0", 20.0)
        check_choice("pool", self.pool, POOLS)


class Labse(Method):
    """Both sides through one encoder, normalized, additive margin softmax in both directions.

    Source: Feng et al. 2022 (Language-agnostic BERT Sentence Embedding), section 2.
    """

    settings_class = LabseSettings

    def __init__(self, encoder: Any, tokenizer: Any, settings: LabseSettings):
        super().__init__(encoder, tokenizer, settings)
        if settings.pool == "pooler" and find_pooler(encoder) is None:
            raise ValueError(
                'pool = "pooler": the encoder has no pooler of its own. Expected "cls" or "mean". '
                'Fix: pool = "cls".'
            )

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: LabseSettings = self.settings
        x, y = self.embed(batch.source), self.embed(batch.target)
        return {"loss": additive_margin(x, y, settings.margin, settings.scale, batch.same)}

    def embed(self, side: Side) -> Tensor:
        """RETURNS (Tensor): `(B, E)`."""
        states = last_layer(self.encoder, side)
        if self.settings.pool == "mean":
            return sentence_means(states, side.mask)
        first = states[:, 0]
        if self.settings.pool == "cls":
            return first
        pooler: Any = find_pooler(self.encoder)
        return torch.tanh(pooler(first))
