"""A loss of the encoder beside the task: computed on text of its own, before a training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from ..alignment.training.batch import Batch, Collator
from ..alignment.training.examples import Example, make_examples
from ..alignment.training.method import Method
from ..alignment.training.order import Order, seeded
from ..encoder.model import TransformerModel
from ..parallel import SentencePair
from ..parallel.linked_text import linked_corpus

SECTION = "[training.before_update]"


def cut_pairs(
    pairs: Iterable[SentencePair], model: TransformerModel, max_length: int
) -> list[Example]:
    """RETURNS (List[Example]): Pairs in the wordpieces of an encoder, at most `max_length` of a
    side, special tokens included."""
    pieces = model.shim.piece_tokenizer
    room = min(max_length, model.shim.max_length) - pieces.frames.single_size
    return make_examples(pairs, pieces, room)


class ReadsPairs(Protocol):
    """Where the pairs of a reference come from."""

    def read(self, model: TransformerModel, links: bool) -> list[Example]:
        """See `PairSource.read`."""


@dataclass(frozen=True)
class PairSource:
    """Where the sentence pairs of a reference are; they are read when they are needed.

    parallel (str): Parallel text, a file or a folder, as `dlfa align` reads it.
    dictionaries (Optional[str]): Folder of MUSE files to link words with; None induces them.
    languages (Optional[List[str]]): Only these; None for all.
    limit (int): Pairs per language; 0 for all.
    max_length (int): Wordpieces of a side, special tokens included.
    """

    parallel: str
    dictionaries: str | None = None
    languages: list[str] | None = None
    limit: int = 0
    max_length: int = 96

    def read(self, model: TransformerModel, links: bool) -> list[Example]:
        """
        model (TransformerModel): Whose wordpieces the pairs are cut into.
        links (bool): Only pairs that have links.
        RETURNS (List[Example]): The pairs.
        RAISES (ValueError): There is none.
        """
        corpus = linked_corpus(
            self.parallel,
            self.languages,
            self.dictionaries or "",
            self.limit,
            induced_from=self.limit,
        )
        found = [x for x in cut_pairs(corpus, model, self.max_length) if x.links or not links]
        if not found:
            raise ValueError(
                f"{SECTION} parallel = {self.parallel!r}: no words are linked, so there is nothing "
                "to align. Expected links. Fix: dictionaries = a folder of <xx>-en.txt, or more "
                "text."
            )
        return found


@dataclass
class Reference:
    """A method's loss on batches of pairs. Copied and pickled it is as before its first batch: what
    was read, and the encoder, belong to one process.

    name (str): For the log and for errors.
    make (Callable[[TransformerModel], Method]): Puts the method around an encoder.
    pairs (ReadsPairs): The text.
    batch_size (int): Pairs per batch.
    seed (int): Of their order.

    loss (float): That of the last batch; `nan` before the first.
    """

    name: str
    make: Callable[[TransformerModel], Method]
    pairs: ReadsPairs
    batch_size: int
    seed: int
    loss: float = math.nan
    _method: Method | None = field(default=None, repr=False)
    _examples: list[Example] = field(default_factory=list, repr=False)
    _order: Order | None = field(default=None, repr=False)
    _collate: Collator | None = field(default=None, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        nothing: dict[str, Any] = {"_method": None, "_examples": [], "_order": None}
        return {**self.__dict__, **nothing, "_collate": None}

    def backward(self, model: TransformerModel, number: int, coefficient: float = 1.0) -> None:
        """Add the gradient of one batch to what is in the encoder's weights.

        model (TransformerModel): The encoder.
        number (int): Which batch, from 0; the same number gives the same batch and the same masks.
        coefficient (float): Weight of the loss.
        RAISES (ValueError): The loss is not a number, or there is no text.
        """
        method, batch = self._batch(model, number)
        shim, device = model.shim, model.packed.device
        # As the encoder itself computes: in bfloat16 where there is any, half floats on other GPUs.
        dtype = torch.float16 if shim.half_floats else torch.bfloat16
        wide = not (shim.half_floats or model.packed.uses_bfloat16)
        with shim.use.training(method):
            with torch.autocast(device.type, dtype, enabled=not wide):
                loss = method(batch.to(device), seeded(self.seed, number))["loss"]
            self.loss = loss.item()
            if not math.isfinite(self.loss):
                raise ValueError(
                    f"{SECTION} {self.name}: the loss is {self.loss} in batch {number}. Expected a "
                    "finite number. Fix: a lower learning rate or coefficient."
                )
            if loss.requires_grad:
                shim.backward(coefficient * loss)
        own = {id(parameter) for parameter in model.transformer.parameters()}
        for parameter in method.parameters():
            # Nobody trains what the method adds to the encoder.
            if id(parameter) not in own:
                parameter.grad = None

    def _batch(self, model: TransformerModel, number: int) -> tuple[Method, Batch]:
        if self._method is None or self._method.encoder is not model.transformer:
            self._method = self.make(model)
            self._examples = self.pairs.read(model, self._method.needs_links)
            self._order = Order(len(self._examples), self.batch_size, self.seed)
            self._collate = Collator(model.shim.piece_tokenizer, model.shim.max_length)
        assert self._order is not None and self._collate is not None
        chosen = [self._examples[i] for i in self._order[number]]
        return self._method, self._collate(chosen, seeded(self.seed, number))
