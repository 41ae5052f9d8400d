"""Masked language modeling on parallel text, as a method of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...checks import check_choice, check_number
from ..training.batch import Batch
from ..training.method import Method
from ..training.vectors import word_vectors
from .mlm import MaskedLanguageModel, language_model

TEXTS = ("both", "joined")


@dataclass(frozen=True)
class MaskedSettings:
    """Settings of masked language modeling.

    rate (float): Fraction of the wordpieces that is masked. 0.15 as in BERT.
    text (str): `"both"` sides of a pair, each for itself, or `"joined"` as one text, so that a
        masked word can be read off its translation (TLM, Conneau & Lample 2019).
    dictionary (float): w, weight of the cosine of linked words among the input embeddings; 10 in
        ALIGN-MLM, 0 leaves it out.
    """

    rate: float = 0.15
    text: str = "both"
    dictionary: float = 0.0

    def __post_init__(self) -> None:
        check_number("rate", self.rate, 0 < self.rate < 1, "a number between 0 and 1", 0.15)
        check_choice("text", self.text, TEXTS)
        check_number("dictionary", self.dictionary, self.dictionary >= 0, "0 or more", 10.0)


class Masked(Method):
    """L = L_MLM - w mean cos(E[a], E[b]), over linked words a and b; E of a word is the mean of the
    input embeddings of its wordpieces, where ALIGN-MLM takes words of one wordpiece only.

    Source: Devlin et al. 2019; Conneau & Lample 2019 (TLM); Tang et al. 2022 (ALIGN-MLM).
    """

    settings_class = MaskedSettings

    def __init__(
        self, encoder: Any, tokenizer: Any, settings: MaskedSettings, model: MaskedLanguageModel
    ):
        super().__init__(encoder, tokenizer, settings)
        self.model = model
        weight = encoder.get_input_embeddings().weight
        if settings.dictionary and not weight.requires_grad:
            raise ValueError(
                f"dictionary = {settings.dictionary}: the encoder's embeddings do not train "
                "(four bits, or frozen), so linked words cannot be drawn together in them. "
                "Expected embeddings that train. Fix: dictionary = 0, or another encoder."
            )

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> Masked:
        model = language_model(encoder, tokenizer, settings.rate, name)
        return cls(encoder, tokenizer, settings, model)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: MaskedSettings = self.settings
        joined = settings.text == "joined"
        sides = [batch.joined] if joined else [batch.source, batch.target]
        guesses = [self.model(self.encoder, side, generator) for side in sides]
        loss = torch.stack(guesses).mean()
        if not settings.dictionary:
            return {"loss": loss}
        embeddings = self.encoder.get_input_embeddings()
        foreign, english = (
            word_vectors(embeddings(side.ids), side.words) for side in (batch.source, batch.target)
        )
        cosines = F.cosine_similarity(foreign[batch.links[:, 0]], english[batch.links[:, 1]])
        alike = cosines.sum() / max(len(cosines), 1)
        return {"loss": loss - settings.dictionary * alike, "mlm": loss, "cosine": alike}
