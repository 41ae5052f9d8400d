"""CLBT: a linear map for each language on top of a frozen encoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from ...checks import check_choice
from ..losses import squared_distance
from ..training.batch import Batch
from ..training.method import Method
from ..training.vectors import WORD_REPRS, last_layer, word_vectors
from .language_maps import LanguageMaps
from .procrustes import procrustes

SOLVERS = ("procrustes", "gradient")


@dataclass(frozen=True)
class ClbtSettings:
    """Settings of CLBT.

    solver (str): `"procrustes"` (orthogonal, closed form) or `"gradient"` (any matrix, by the
        optimizer from the identity, which the authors recommend for most languages: learning rate
        1e-3, weight decay 0.01, 256 words per batch).
    center (bool): Subtract each language's mean before, and add the English mean after. The
        authors do not; it often helps more than the rotation.
    word_repr (str): `"first"` (the authors' choice for one-to-many links), `"last"` or `"mean"`.
    """

    solver: str = "procrustes"
    center: bool = False
    word_repr: str = "first"

    def __post_init__(self) -> None:
        check_choice("solver", self.solver, SOLVERS)
        check_choice("word_repr", self.word_repr, WORD_REPRS)


class Clbt(Method):
    """min_W mean ||W x - y||^2 over linked words of the last layer, y English.

    The encoder is frozen and what is saved beside it are the maps, `LanguageMaps.load(folder)`. The
    maps are for vectors of this encoder's last layer, pooled alike; after fine-tuning the encoder
    they are stale. The original maps multilingual BERT's vectors to an English BERT's; here both
    are the same encoder's.

    Source: Wang et al. 2019 (EMNLP), section 3.
    """

    settings_class = ClbtSettings
    changes_encoder = False
    needs_links = True

    def __init__(
        self, encoder: Any, tokenizer: Any, settings: ClbtSettings, languages: Sequence[str]
    ):
        super().__init__(encoder, tokenizer, settings)
        encoder.requires_grad_(False)
        self.maps = LanguageMaps(self.width, languages)

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> "Clbt":
        return cls(encoder, tokenizer, settings, languages)

    def prepare(self, batches: Callable[[], list[Batch]]) -> bool:
        closed = self.settings.solver == "procrustes"
        if closed or self.settings.center:
            self.solve(batches())
        return closed

    def map(self, vectors: Tensor, languages: Sequence[str]) -> Tensor:
        mapped: Tensor = self.maps(vectors, languages)
        return mapped

    def save_extra(self, folder: Path) -> None:
        self.maps.save(folder)

    def train(self, mode: bool = True) -> "Clbt":
        super().train(mode)
        self.encoder.eval()
        return self

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        x, y, index = self.words(batch)
        return {"loss": squared_distance(self.maps.mapped(x, index), y)}

    @torch.no_grad()
    def words(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """RETURNS (Tuple[Tensor, Tensor, Tensor]): Linked words `(k, E)` of both sides, and the map
        of each, `(k,)`."""
        x, y = (
            word_vectors(last_layer(self.encoder, side), side.words, self.settings.word_repr)
            for side in (batch.source, batch.target)
        )
        index = self.maps.index(batch.languages).to(x.device)
        return x[batch.links[:, 0]], y[batch.links[:, 1]], index[batch.link_pairs]

    @torch.no_grad()
    def solve(self, batches: Sequence[Batch]) -> None:
        """Set the means (with `center`) and, by Procrustes, the maps.

        batches (Sequence[Batch]): All that there is.
        RAISES (ValueError): A language has no linked word.
        """
        self.eval()
        found = [self.words(batch) for batch in batches]
        x, y, index = (torch.cat(part).cpu() for part in zip(*found, strict=True))
        for i, language in enumerate(self.maps.languages):
            rows = index == i
            if not rows.any():
                raise ValueError(
                    f"{language}: no two words are linked, so there is nothing to fit a map to. "
                    "Expected links. Fix: give a dictionary, or leave the language out."
                )
            fit(self.maps, i, x[rows].double().numpy(), y[rows].double().numpy(), self.settings)


def fit(
    maps: LanguageMaps, i: int, x: numpy.ndarray, y: numpy.ndarray, settings: ClbtSettings
) -> None:
    """Set a language's means and map.

    maps (LanguageMaps): Is changed.
    i (int): Which of its languages.
    x, y (NDArray): `(n, E)` linked words, foreign and English.
    settings (ClbtSettings): `center`, and whether there is a closed form.
    """
    with torch.no_grad():
        if settings.center:
            maps.means[i] = torch.from_numpy(x.mean(axis=0))
            maps.english[i] = torch.from_numpy(y.mean(axis=0))
            x, y = x - x.mean(axis=0), y - y.mean(axis=0)
        if settings.solver == "procrustes":
            maps.weights[i] = torch.from_numpy(procrustes(x, y))
