"""PPA: momentum contrast of sentences and a translation language model."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...checks import check_number
from ..losses import moco
from ..training.batch import Batch, Side
from ..training.method import Method
from ..training.vectors import last_layer
from .mlm import MaskedLanguageModel, language_model
from .momentum import Momentum
from .queue import KeyQueue


@dataclass(frozen=True)
class PpaSettings:
    """Settings of PPA. Only the default of `mlm_rate` is in a source that was read.

    temperature (float): tau.
    momentum (float): m of the key encoder.
    queue (int): K, keys kept.
    projection (int): Width of the contrasted vectors.
    tlm_weight (float): Weight of the translation language model; 0 leaves it out.
    mlm_rate (float): Fraction of the pieces that is masked. 0.15 as in the paper.
    """

    temperature: float = 0.05
    momentum: float = 0.999
    queue: int = 32000
    projection: int = 128
    tlm_weight: float = 1.0
    mlm_rate: float = 0.15

    def __post_init__(self) -> None:
        tau, m, rate = self.temperature, self.momentum, self.mlm_rate
        check_number("temperature", tau, tau > 0, "a number above 0", 0.05)
        check_number("momentum", m, 0 <= m <= 1, "0 to 1", 0.999)
        check_number("queue", self.queue, self.queue >= 1, "1 or more", 32000)
        check_number("projection", self.projection, self.projection >= 1, "1 or more", 128)
        check_number("tlm_weight", self.tlm_weight, self.tlm_weight >= 0, "0 or more", 1.0)
        check_number("mlm_rate", rate, 0 < rate < 1, "a number between 0 and 1", 0.15)


class SentenceProjection(nn.Module):
    """The first wordpiece's vector through a multi-layer perceptron with one hidden layer."""

    def __init__(self, encoder: Any, width: int, size: int):
        super().__init__()
        self.encoder = encoder
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, size))

    def forward(self, side: Side) -> Tensor:
        """RETURNS: `(B, size)`."""
        projected: Tensor = self.projection(last_layer(self.encoder, side)[:, 0])
        return projected


class Ppa(Method):
    """Post-pretraining alignment: L = L_MoCo + L_TLM.

    Which language is the query and which the key is drawn each batch ("random input shuffling"; by
    batch, so that each encoder reads one padded side). The key encoder follows the query encoder
    and has no gradient and no dropout. Keys of a sentence that equals the query's own translation
    or the query are not negatives.

    Source: Pan et al. 2021 (NAACL), section 2.
    """

    settings_class = PpaSettings

    def __init__(
        self,
        encoder: Any,
        tokenizer: Any,
        settings: PpaSettings,
        mlm: MaskedLanguageModel | None = None,
    ):
        super().__init__(encoder, tokenizer, settings)
        self.query = SentenceProjection(encoder, self.width, settings.projection)
        self.key = Momentum(self.query, settings.momentum)
        self.queue = KeyQueue(settings.queue, settings.projection)
        self.mlm = mlm

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> "Ppa":
        mlm = None
        if settings.tlm_weight:
            mlm = language_model(encoder, tokenizer, settings.mlm_rate, name)
        return cls(encoder, tokenizer, settings, mlm)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: PpaSettings = self.settings
        sides = [batch.source, batch.target]
        if torch.randint(2, (1,), generator=generator).item():
            sides.reverse()
        query = self.query(sides[0])
        with torch.no_grad():
            key = self.key(sides[1]).float()
        labels, own = text_labels(sides[1]), text_labels(sides[0])
        queue, known = self.queue.filled()
        false = (known == labels[:, None]) | (known == own[:, None])
        contrast = moco(query, key, queue, settings.temperature, false)
        if self.training:
            self.queue.push(torch.nn.functional.normalize(key, dim=1), labels)
        if self.mlm is None or not settings.tlm_weight:
            return {"loss": contrast, "contrast": contrast}
        tlm = self.mlm(self.encoder, batch.joined, generator)
        return {"loss": contrast + settings.tlm_weight * tlm, "contrast": contrast, "tlm": tlm}

    def after_step(self) -> None:
        self.key.follow(self.query)


def text_labels(side: Side) -> Tensor:
    """RETURNS (Tensor): `(B,)` int, equal for equal wordpieces, and the same in every process."""
    rows = zip(side.ids.cpu(), side.mask.cpu(), strict=True)
    found = [zlib.crc32(ids[mask.bool()].numpy().tobytes()) for ids, mask in rows]
    return torch.tensor(found, device=side.ids.device)
