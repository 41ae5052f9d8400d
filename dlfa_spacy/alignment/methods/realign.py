"""Realignment: linked words against all words, before fine-tuning."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...checks import check_choice, check_number
from ..losses import strong_words, weak_words
from ..training.batch import Batch
from ..training.method import Method
from ..training.vectors import last_layer, word_vectors
from .frozen import FREEZE, freeze_half

CANDIDATES = ("all", "linked", "translations")


@dataclass(frozen=True)
class RealignSettings:
    """Settings of realignment, those of Gaschi et al.

    temperature (float): tau. 0.1 as in the authors' code.
    candidates (str): `"all"` words of both sentences (Gaschi et al.), the `"linked"` ones of both
        languages (Wu & Dredze, strong), or the other language's linked ones, `"translations"`
        (Wu & Dredze, weak).
    freeze (str): `"none"`, or the `"lower"` (AlignFreeze) or `"upper"` half of the blocks.
        `"lower"` freezes the embeddings too.
    word_repr (str): `"mean"` of a word's pieces (the authors' code sums them, which gives the same
        cosines), `"first"` or `"last"`.
    mask_same (bool): Take words that are written alike out of the negatives. The papers do not.
    """

    temperature: float = 0.1
    candidates: str = "all"
    freeze: str = "none"
    word_repr: str = "mean"
    mask_same: bool = False

    def __post_init__(self) -> None:
        tau = self.temperature
        check_number("temperature", tau, tau > 0, "a number above 0", 0.1)
        check_choice("candidates", self.candidates, CANDIDATES)
        check_choice("freeze", self.freeze, FREEZE)
        check_choice("word_repr", self.word_repr, ("mean", "first", "last"))


class Realign(Method):
    """Strong contrastive alignment of words in the last layer; no projection, no regularizer.

    Source: Gaschi et al. 2023 (Exploring the Relationship between Alignment and Cross-lingual
    Transfer), section 3; Bakos et al. 2025 (AlignFreeze); Wu & Dredze 2020.
    """

    settings_class = RealignSettings
    needs_links = True

    def __init__(self, encoder: Any, tokenizer: Any, settings: RealignSettings):
        super().__init__(encoder, tokenizer, settings)
        freeze_half(encoder, settings.freeze)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: RealignSettings = self.settings
        foreign, english = (
            word_vectors(last_layer(self.encoder, side), side.words, settings.word_repr)
            for side in (batch.source, batch.target)
        )
        links = batch.links
        same = None
        if settings.mask_same:
            forms = [*batch.source.words.forms, *batch.target.words.forms]
            same = _numbered(forms).to(links.device)
        if settings.candidates != "all":
            if same is not None:
                same = torch.cat([same[links[:, 0]], same[len(foreign) + links[:, 1]]])
            foreign, english = foreign[links[:, 0]], english[links[:, 1]]
            links = torch.arange(len(links), device=links.device)[:, None].expand(-1, 2)
        if settings.candidates == "translations":
            loss = weak_words(foreign, english, settings.temperature)
        else:
            shift = torch.tensor([0, len(foreign)], device=links.device)
            words = torch.cat([foreign, english])
            loss = strong_words(words, links + shift, settings.temperature, same)
        return {"loss": loss}


def _numbered(forms: Sequence[str]) -> Tensor:
    """RETURNS (Tensor): `(n,)` int, equal for words that are written alike."""
    numbers: dict[str, int] = {}
    return torch.tensor([numbers.setdefault(form, len(numbers)) for form in forms])
