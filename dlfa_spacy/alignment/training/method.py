"""What the training loop knows about a method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...parallel import WordDictionary
from .batch import Batch


class Method(nn.Module):
    """An encoder and what a method adds to it for as long as it trains.

    A method implements `losses`, and overrides what else differs.

    encoder (Module): A Hugging Face encoder; the one that is saved in the end.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    settings (Any): The method's dataclass of settings.

    dictionaries (Dict[str, WordDictionary]): Language -> what its words were linked with.

    Source: each method's own docstring; `docs/provenance.md` says how far each value was verified.
    """

    # The dataclass of its settings.
    settings_class: ClassVar[type[Any]]
    # Whether the encoder is another one afterwards.
    changes_encoder = True
    # Whether batches without word links teach it anything.
    needs_links = False
    # Whether pairs with an equal English side come in one batch.
    by_meaning = False

    def __init__(self, encoder: Any, tokenizer: Any, settings: Any):
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.settings = settings
        self.dictionaries: dict[str, WordDictionary] = {}
        self.width = int(encoder.config.hidden_size)

    @classmethod
    def create(
        cls, encoder: Any, tokenizer: Any, settings: Any, languages: Sequence[str], name: str | None
    ) -> Method:
        """Put it around an encoder.

        languages (Sequence[str]): Of the parallel text.
        name (Optional[str]): Where the encoder came from, whose folder may hold more than it.
        """
        return cls(encoder, tokenizer, settings)

    def prepare(self, batches: Callable[[], list[Batch]]) -> bool:
        """Called once before the first step.

        batches (Callable): Makes the whole text.
        RETURNS (bool): Whether that was all: there is nothing to train.
        """
        return False

    def losses(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """
        batch (Batch): B pairs.
        generator (Generator): For everything random but dropout; on the CPU.
        RETURNS (Dict[str, Tensor]): `"loss"` `()`, which is trained on, and its parts.
        """
        raise NotImplementedError

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        return self.losses(batch, generator)

    def after_step(self) -> None:
        """Called after each step of the optimizer."""

    def map(self, vectors: Tensor, languages: Sequence[str]) -> Tensor:
        """What comes behind the encoder.

        vectors (Tensor): `(n, E)`.
        languages (Sequence[str]): `(n,)`.
        RETURNS (Tensor): `(n, E)`.
        """
        return vectors

    def save_extra(self, folder: Path) -> None:
        """Write what belongs to the result beside the encoder.

        folder (Path): Where the encoder lies.
        """
