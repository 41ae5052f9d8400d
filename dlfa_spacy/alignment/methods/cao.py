"""Linked words are drawn together, English stays where it was (Cao, Kitaev & Klein 2020)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...checks import check_choice, check_number
from ..losses import squared_distance
from ..training.batch import Batch, Side
from ..training.method import Method
from ..training.vectors import WORD_REPRS, last_layer, word_vectors
from .frozen import Frozen

ENGLISH = ("current", "frozen")
REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class CaoSettings:
    """Settings of Cao et al.

    weight (float): lambda of the regularizer. 1 as in the authors' code.
    word_repr (str): `"last"` (the authors' code), `"first"` or `"mean"` of a word's wordpieces.
    reduction (str): `"mean"` over words and elements (the code), or `"sum"` over the elements (the
        paper), which makes both terms E times as large.
    english (str): Foreign words are pulled to the `"current"` English vectors (the paper), or
        to those of the `"frozen"` initial encoder (one copy of the code).
    special_tokens (bool): The first and the last special token of a side are words, too, which
        translate each other (Efimov et al. 2023).
    """

    weight: float = 1.0
    word_repr: str = "last"
    reduction: str = "mean"
    english: str = "current"
    special_tokens: bool = False

    def __post_init__(self) -> None:
        check_number("weight", self.weight, self.weight >= 0, "0 or more", 1.0)
        check_choice("word_repr", self.word_repr, WORD_REPRS)
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_choice("english", self.english, ENGLISH)


class Cao(Method):
    """sum ||f(i, s) - f(j, t)||^2 + lambda sum_j ||f(j, t) - f_0(j, t)||^2, t English.

    f is the last layer; the regularizer takes all English words and no others, and f_0 is the
    encoder as it was.

    Source: Cao, Kitaev & Klein 2020 (Multilingual Alignment of Contextual Word Representations),
    section 2.2.
    """

    settings_class = CaoSettings
    needs_links = True

    def __init__(self, encoder: Any, tokenizer: Any, settings: CaoSettings):
        super().__init__(encoder, tokenizer, settings)
        self.initial = Frozen(encoder)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: CaoSettings = self.settings
        foreign, english = (
            self._vectors(self.encoder, side) for side in (batch.source, batch.target)
        )
        with torch.no_grad():
            initial = self._vectors(self.initial.module, batch.target)
        goal = english if settings.english == "current" else initial
        links = batch.links
        if settings.special_tokens:
            # Behind the words of a side stand its special tokens, as many on either side.
            n_special = 2 * len(batch.languages)
            ends = [
                torch.arange(len(x) - n_special, len(x), device=x.device)
                for x in (foreign, english)
            ]
            links = torch.cat([links, torch.stack(ends, dim=1)])
        align = squared_distance(foreign[links[:, 0]], goal[links[:, 1]], settings.reduction)
        keep = squared_distance(english, initial, settings.reduction)
        return {"loss": align + settings.weight * keep, "align": align, "keep": keep}

    def _vectors(self, encoder: nn.Module, side: Side) -> Tensor:
        """RETURNS (Tensor): `(n, E)` of the words, and behind them `(2B, E)` of the first and the
        last special tokens, if they count."""
        states = last_layer(encoder, side)
        words = word_vectors(states, side.words, self.settings.word_repr)
        if not self.settings.special_tokens:
            return words
        rows = torch.arange(len(states), device=states.device)
        return torch.cat([words, states[:, 0].float(), states[rows, side.mask.sum(1) - 1].float()])
