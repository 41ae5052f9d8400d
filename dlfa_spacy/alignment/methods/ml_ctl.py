"""ML-CTL: contrastive learning of sentences and words in context, with CZ-NCE."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...checks import check_choice, check_number
from ..losses import cz_nce, info_nce
from ..training.batch import Batch, Side
from ..training.method import Method
from ..training.vectors import hidden_states, sentence_means, word_vectors
from .mlm import MaskedLanguageModel, language_model

LOSSES = ("cz", "info")
NO_NEGATIVES = ("skip", "raise")


@dataclass(frozen=True)
class MlCtlSettings:
    """Settings of ML-CTL, as in the paper.

    temperature (float): tau. 0.07 as in the authors' trainer.
    loss (str): `"cz"` (the authors' choice) or `"info"`.
    mlm_weight (float): alpha. 0.1 as in the authors' code; 0 leaves language modeling out.
    mlm_rate (float): Fraction of the pieces that is masked. 0.15 as in the authors' code.
    words (bool): Whether a linked word of each pair is concatenated to the sentence, as in the
        authors' code.
    first_layer (int): The layer added to the last one. 1 (H^1, not the embeddings) as in the
        authors' code.
    no_negatives (str): `"skip"` or `"raise"` on a batch without negatives, where CZ-NCE is log 0.
    """

    temperature: float = 0.07
    loss: str = "cz"
    mlm_weight: float = 0.1
    mlm_rate: float = 0.15
    words: bool = True
    first_layer: int = 1
    no_negatives: str = "skip"

    def __post_init__(self) -> None:
        tau, alpha, rate = self.temperature, self.mlm_weight, self.mlm_rate
        check_number("temperature", tau, tau > 0, "a number above 0", 0.07)
        check_choice("loss", self.loss, LOSSES)
        check_number("mlm_weight", alpha, alpha >= 0, "0 or more", 0.1)
        check_number("mlm_rate", rate, 0 < rate < 1, "a number between 0 and 1", 0.15)
        check_number("first_layer", self.first_layer, self.first_layer >= 0, "0 or more", 1)
        check_choice("no_negatives", self.no_negatives, NO_NEGATIVES)


class MlCtl(Method):
    """Concatenated contextual embeddings, contrasted in both directions.

        snt  = sum_t mask_t (H^1_t + H^L_t) / sum_t mask_t            (E)
        word = sum_t pos_t (H^1_t + H^L_t) / sum_t pos_t              (E)
        c    = MLP([snt ; word]), Linear(2E, 2E) - ReLU - Linear(2E, 2E)
        loss = (1/2n) sum_i [L_CZ(x_i) + L_CZ(y_i)] + alpha L_MLM

    The MLP is discarded after training. Not adopted from the authors' code: masking that changes
    the ids the contrastive pass sees, one direction only, a random untied MLM head, lower-casing,
    hard-coded sizes, unseeded order, and copies of a sentence as negatives of each other. One
    link of each pair is drawn per batch; with `words`, pairs without a link are not used.

    Source: Chen et al. 2022 (ICASSP), arXiv 2202.13083.
    """

    settings_class = MlCtlSettings

    def __init__(
        self,
        encoder: Any,
        tokenizer: Any,
        settings: MlCtlSettings,
        mlm: MaskedLanguageModel | None = None,
    ):
        super().__init__(encoder, tokenizer, settings)
        if not 0 <= settings.first_layer <= encoder.config.num_hidden_layers:
            raise ValueError(
                f"first_layer = {settings.first_layer}: the encoder has layers 0 to "
                f"{encoder.config.num_hidden_layers}. Fix: first_layer = 1."
            )
        self.needs_links = settings.words
        width = self.width * (2 if settings.words else 1)
        self.projection = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.mlm = mlm

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> "MlCtl":
        mlm = None
        if settings.mlm_weight:
            mlm = language_model(encoder, tokenizer, settings.mlm_rate, name)
        return cls(encoder, tokenizer, settings, mlm)

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        settings: MlCtlSettings = self.settings
        links = one_link_a_pair(batch, generator) if settings.words else None
        pairs = torch.arange(len(batch.languages)) if links is None else batch.link_pairs[links]
        pairs = pairs.to(batch.same.device)
        x, y = (
            self.embed(side, pairs, None if links is None else batch.links[links, i])
            for i, side in enumerate((batch.source, batch.target))
        )
        same = batch.same[pairs][:, pairs]
        if settings.loss == "cz":
            contrast = cz_nce(x, y, settings.temperature, same, settings.no_negatives)
        else:
            contrast = info_nce(x, y, settings.temperature, same)
        if self.mlm is None or not settings.mlm_weight:
            return {"loss": contrast, "contrast": contrast}
        mlm = [self.mlm(self.encoder, side, generator) for side in (batch.source, batch.target)]
        model = (mlm[0] + mlm[1]) / 2
        return {
            "loss": contrast + settings.mlm_weight * model,
            "contrast": contrast,
            "mlm": model,
        }

    def embed(self, side: Side, pairs: Tensor, words: Tensor | None) -> Tensor:
        """
        side (Side): One language.
        pairs (Tensor): `(n,)` which of its sentences.
        words (Optional[Tensor]): `(n,)` a word of each.
        RETURNS (Tensor): `(n, 2E)`, or `(n, E)` without words.
        """
        layers = (self.settings.first_layer, -1)
        first, last = hidden_states(self.encoder, side.ids, side.mask, layers)
        # The sum of two means is the mean of the sum.
        both = first.float() + last.float()
        vectors = sentence_means(both, side.mask)[pairs]
        if words is not None:
            vectors = torch.cat([vectors, word_vectors(both, side.words)[words]], dim=1)
        projected: Tensor = self.projection(vectors)
        return projected


def one_link_a_pair(batch: Batch, generator: torch.Generator) -> Tensor:
    """Draw a link from each pair: several words of one sentence would be false negatives.

    RETURNS (Tensor): `(n,)` indices of `batch.links`, for pairs that have any, ascending.
    """
    pairs = batch.link_pairs.cpu()
    counts = torch.bincount(pairs, minlength=len(batch.languages))
    drawn = (torch.rand(len(counts), generator=generator) * counts).long()
    links = (counts.cumsum(0) - counts + drawn)[counts > 0]
    return links.to(batch.links.device)
