"""What the training loop knows about a method."""

from typing import Any

import torch
from torch import Tensor, nn

from ..training.batch import Batch


class Method(nn.Module):
    """An encoder and what a method adds to it for as long as it trains.

    encoder (Module): A Hugging Face encoder; the one that is saved in the end.
    tokenizer (PreTrainedTokenizerBase): Its tokenizer.
    settings (Any): The method's dataclass of settings.

    Source: each method's own docstring. VERIFIED there means read in the authors' code,
    SECOND-HAND in somebody else's, UNVERIFIED not read anywhere.
    """

    # Whether batches without word links teach it anything.
    needs_links = False

    def __init__(self, encoder: Any, tokenizer: Any, settings: Any):
        super().__init__()
        self.encoder = encoder
        self.tokenizer = tokenizer
        self.settings = settings
        self.width = int(encoder.config.hidden_size)

    def forward(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """
        batch (Batch): B pairs.
        generator (Generator): For everything random but dropout; on the CPU.
        RETURNS (Dict[str, Tensor]): `"loss"` `()`, which is trained on, and its parts.
        """
        raise NotImplementedError

    def after_step(self) -> None:
        """Called after each step of the optimizer."""
