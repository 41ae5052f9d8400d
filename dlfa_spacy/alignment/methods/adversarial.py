"""An encoder from which languages can be told less well: adversarial, and by centroids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...checks import check_number
from ...parallel.naming import ENGLISH
from ..losses.centroids import centroid_distance
from ..training.batch import Batch
from ..training.method import Method
from ..training.vectors import hidden_states, sentence_means
from .mlm import MaskedLanguageModel, language_model

# Width of the classifiers' middle layer, and their dropout, in the authors' code.
HIDDEN, DROPOUT = 1024, 0.1


@dataclass(frozen=True)
class AdversarialSettings:
    """Settings of language-adversarial training.

    mlm_weight (float): Of masked language modeling, so that the encoder stays one. 100 as in the
        authors' code; 0 for an encoder without a head for it.
    mlm_rate (float): Fraction of the wordpieces that is masked.
    adversarial (float): Weight of the language classifiers behind gradient reversal.
    centroids (float): Weight of the distance of each language's mean from that of English; 0 leaves
        it out.
    """

    mlm_weight: float = 100.0
    mlm_rate: float = 0.15
    adversarial: float = 1.0
    centroids: float = 0.0

    def __post_init__(self) -> None:
        for name in ("mlm_weight", "adversarial", "centroids"):
            value = getattr(self, name)
            check_number(name, value, value >= 0, "0 or more", 1.0)
        check_number(
            "adversarial", self.adversarial, bool(self.adversarial or self.centroids),
            "a number above 0, or centroids above 0", 1.0,
        )  # fmt: skip


class Reversal(torch.autograd.Function):
    """The identity, whose gradient is turned round (Ganin & Lempitsky 2015)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class Adversarial(Method):
    """L = w L_MLM + a sum_l [ CE(D_l(R([CLS]^l))) + CE(D'_l(R(mean^l))) ] + c L_centroids, over the
    layers l from 1 to L: a classifier of the language for each, R the reversal of the gradient.

    The classifiers learn at the encoder's rate, a hundredth of theirs in the authors' code.

    Source: Libovický, Rosa & Fraser 2020 (On the Language Neutrality of Pre-trained Multilingual
    Representations), section 4, and the authors' code.
    """

    settings_class = AdversarialSettings

    def __init__(
        self,
        encoder: Any,
        tokenizer: Any,
        settings: AdversarialSettings,
        languages: Sequence[str] = (),
        mlm: MaskedLanguageModel | None = None,
    ):
        super().__init__(encoder, tokenizer, settings)
        self.languages = [ENGLISH, *languages]
        depth = int(encoder.config.num_hidden_layers)
        self.layers = list(range(1, depth + 1))
        self.classifiers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(self.width, HIDDEN),
                nn.ReLU(),
                nn.Dropout(DROPOUT),
                nn.Linear(HIDDEN, len(self.languages)),
            )
            for _ in range(2 * depth if settings.adversarial else 0)
        )
        self.mlm = mlm

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> Adversarial:
        mlm = None
        if settings.mlm_weight:
            mlm = language_model(encoder, tokenizer, settings.mlm_rate, name)
        return cls(encoder, tokenizer, settings, languages, mlm)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: AdversarialSettings = self.settings
        languages = [*batch.languages, *[ENGLISH] * len(batch.english)]
        firsts, means = [], []
        for side in (batch.source, batch.target):
            states = hidden_states(self.encoder, side.ids, side.mask, self.layers)
            firsts.append([state[:, 0].float() for state in states])
            means.append([sentence_means(state, side.mask) for state in states])
        # Of each layer the rows of both sides; first wordpieces, then means.
        vectors = [torch.cat(pair) for kind in (firsts, means) for pair in zip(*kind, strict=True)]
        parts: dict[str, Tensor] = {}
        total = vectors[0].sum() * 0
        if settings.adversarial:
            truth = torch.tensor(
                [self.languages.index(name) for name in languages], device=total.device
            )
            told = [
                F.cross_entropy(classify(Reversal.apply(x)), truth)
                for classify, x in zip(self.classifiers, vectors, strict=True)
            ]
            parts["languages"] = torch.stack(told).mean()
            total = total + settings.adversarial * torch.stack(told).sum()
        if settings.centroids:
            parts["centroids"] = centroid_distance(vectors[-1], languages)
            total = total + settings.centroids * parts["centroids"]
        if self.mlm is not None:
            sides = (batch.source, batch.target)
            guesses = [self.mlm(self.encoder, side, generator) for side in sides]
            parts["mlm"] = torch.stack(guesses).mean()
            total = total + settings.mlm_weight * parts["mlm"]
        return {"loss": total, **parts}
