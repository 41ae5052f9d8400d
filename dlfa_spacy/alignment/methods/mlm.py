"""The head that guesses masked wordpieces: the checkpoint's own, or one tied to the embeddings."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForMaskedLM
from transformers.utils import logging as transformers_logging

from ...encoder.storage.huggingface import from_pretrained
from ...encoder.storage.int4_folder import is_int4
from ...encoder.storage.loading import read_config
from ..training.batch import Side
from ..training.vectors import last_layer
from .masking import IGNORED, Vocabulary, mask_pieces, vocabulary


class TiedHead(nn.Module):
    """Dense, gelu, norm, then the embeddings themselves: logits = (W h) E' + b.

    encoder (Module): Whose embeddings are used; they stay its own. Rows in four bits are unpacked
        for each batch, and do not train.
    width (int): E.

    Source: Devlin et al. 2019; the tie: Press & Wolf 2017.
    """

    def __init__(self, encoder: Any, width: int):
        super().__init__()
        embeddings = encoder.get_input_embeddings()
        # A list hides the module, so that its weights are not counted twice.
        self.embeddings = [embeddings]
        size, narrow = embeddings.num_embeddings, embeddings.embedding_dim
        self.dense = nn.Linear(width, narrow)
        self.norm = nn.LayerNorm(narrow)
        self.bias = nn.Parameter(torch.zeros(size))
        if width == narrow:
            # As if there were no layer: a random one would have to be learned first.
            nn.init.eye_(self.dense.weight)
            nn.init.zeros_(self.dense.bias)

    def forward(self, states: Tensor) -> Tensor:
        """states `(n, E)`. RETURNS: `(n, V)`."""
        narrow = self.norm(F.gelu(self.dense(states)))
        return F.linear(narrow, self.embeddings[0].weight, self.bias)


def find_head(name: str, encoder: Any) -> nn.Module | None:
    """The head that a checkpoint brings along, tied to `encoder`.

    name (str): Folder or Hub name of the checkpoint.
    encoder (Module): The encoder, loaded from it.
    RETURNS (Optional[Module]): `(n, E)` to `(n, V)`; None where there is none, or of a kind that
        has no name of its own in the architecture.
    """
    config = read_config(name)
    if config is not None and is_int4(config):
        # What is kept in four bits is the encoder alone.
        return None
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        model, report = from_pretrained(AutoModelForMaskedLM, name, output_loading_info=True)
    except ValueError:
        # No masked language model of this architecture.
        return None
    finally:
        transformers_logging.set_verbosity(before)
    head = getattr(model, "cls", None) or getattr(model, "lm_head", None)
    prefix = getattr(model, "base_model_prefix", "")
    missing = [key for key in report["missing_keys"] if not key.startswith(f"{prefix}.")]
    if head is None or missing:
        return None
    output = model.get_output_embeddings()
    output.weight = encoder.get_input_embeddings().weight
    return head if isinstance(head, nn.Module) else None


class MaskedLanguageModel(nn.Module):
    """The loss of guessing masked pieces.

    head (Module): `(n, E)` to `(n, V)`.
    known (Vocabulary): See `masking`.
    rate (float): Probability that a piece is masked.
    """

    def __init__(self, head: nn.Module, known: Vocabulary, rate: float = 0.15):
        super().__init__()
        self.head = head
        self.known = known
        self.rate = rate

    def forward(self, encoder: nn.Module, side: Side, generator: torch.Generator) -> Tensor:
        """
        encoder (Module): The encoder.
        side (Side): Unmasked; it stays so.
        generator (Generator): For the masks.
        RETURNS (Tensor): `()`, the mean over masked pieces; 0 if none is.
        """
        ids, labels = mask_pieces(side.ids, side.special, self.known, generator, self.rate)
        masked = Side(ids, side.mask, side.special, side.words)
        chosen = labels != IGNORED
        # The head is as wide as the vocabulary: it sees masked pieces alone.
        logits = self.head(last_layer(encoder, masked)[chosen]).float()
        return F.cross_entropy(logits, labels[chosen], reduction="sum") / chosen.sum().clamp(min=1)


def language_model(
    encoder: Any, tokenizer: Any, rate: float, name: str | None
) -> MaskedLanguageModel:
    """RETURNS (MaskedLanguageModel): With the checkpoint's own head, or one that is tied to the
    embeddings.

    rate (float): Fraction of the pieces that is masked.
    name (Optional[str]): Where the encoder came from, to look for its head.
    """
    rows = encoder.get_input_embeddings().num_embeddings
    head = find_head(name, encoder) if name else None
    head = head or TiedHead(encoder, int(encoder.config.hidden_size))
    return MaskedLanguageModel(head, vocabulary(tokenizer, rows), rate)
