"""Realignment during fine-tuning: the alignment loss joins the encoder's gradient."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from spacy.language import Language

from ..encoder.model import TransformerModel
from ..parallel.linked_text import linked_corpus
from ..pipeline.encoders import encoder_of
from .methods.realign import Realign, RealignSettings
from .training.batch import Batch, Collator
from .training.examples import Example, make_examples
from .training.order import Order, seeded

SECTION = "[training.before_update]"


def build_realign_v1(
    parallel: str,
    dictionaries: str | None = None,
    languages: list[str] | None = None,
    limit: int = 0,
    coefficient: float = 0.1,
    every: int = 1,
    batch_size: int = 16,
    max_length: int = 96,
    temperature: float = 0.1,
    candidates: str = "all",
    word_repr: str = "mean",
    seed: int = 0,
    component: str = "transformer",
) -> Callable[[Language, dict[str, Any]], None]:
    """Realign words while a pipeline is fine-tuned: task loss + coefficient x alignment loss.

    Before each step (or each `every`-th) a batch of sentence pairs goes through the encoder, and
    the gradient of their loss is left in its weights. `nlp.update` adds that of the components, and
    the optimizer steps once, on the sum. Nothing of it is saved with the pipeline.

    parallel (str): Parallel text, a file or a folder, as `dlfa align` reads it.
    dictionaries (Optional[str]): Folder of MUSE files (`<xx>-en.txt`) to link words with; null
        induces them from the text. Links in the files come before both.
    languages (Optional[List[str]]): Only these; null for all.
    limit (int): Pairs per language; 0 for all.
    coefficient (float): Weight of the alignment loss. AlignFreeze ("during") has 0.1,
        Efimov et al. 1e-2.
    every (int): Steps between two batches of pairs.
    batch_size (int): Pairs per batch. 16 as in AlignFreeze.
    max_length (int): Wordpieces of a side, special tokens included. 96 as in AlignFreeze.
    temperature (float): As in `dlfa align realign`, like the following.
    candidates (str): `"all"`, `"linked"` or `"translations"`.
    word_repr (str): `"mean"`, `"first"` or `"last"`.
    seed (int): Of the order of the pairs.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].

    Source: Gaschi et al. 2023, and Bakos et al. 2025 (AlignFreeze), joint realignment; Efimov et
    al. 2023 (continual adjustment).

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.realign.v1"
    parallel = "assets/parallel"
    dictionaries = "assets/parallel/dictionary"
    coefficient = 0.1
    ```
    """
    for name, value, lowest in (("every", every, 1), ("batch_size", batch_size, 1)):
        if value < lowest:
            raise ValueError(
                f"{SECTION} {name} = {value}: expected {lowest} or more. Fix: {name} = {lowest}."
            )
    if not coefficient > 0:
        raise ValueError(
            f"{SECTION} coefficient = {coefficient}: expected a number above 0. Fix: coefficient = "
            "0.1, or leave the callback out."
        )
    settings = RealignSettings(temperature, candidates, "none", word_repr)
    text = PairSource(parallel, dictionaries, languages, limit, max_length)
    return JointRealignment(text, settings, coefficient, every, batch_size, seed, component)


class PairSource:
    """Where the sentence pairs are; they are read when they are needed.

    The arguments are those of `build_realign_v1`.
    """

    def __init__(
        self,
        parallel: str,
        dictionaries: str | None,
        languages: list[str] | None,
        limit: int,
        max_length: int,
    ):
        self.parallel = parallel
        self.dictionaries = dictionaries
        self.languages = languages
        self.limit = limit
        self.max_length = max_length

    def read(self, model: TransformerModel) -> list[Example]:
        """
        model (TransformerModel): Whose wordpieces the pairs are cut into.
        RETURNS (List[Example]): The pairs that have links.
        RAISES (ValueError): No pair has any.
        """
        corpus = linked_corpus(
            self.parallel,
            self.languages,
            self.dictionaries or "",
            self.limit,
            induced_from=self.limit,
        )
        pieces = model.shim.piece_tokenizer
        room = min(self.max_length, model.shim.max_length) - pieces.frames.single_size
        found = [example for example in make_examples(corpus, pieces, room) if example.links]
        if not found:
            raise ValueError(
                f"{SECTION} parallel = {self.parallel!r}: no words are linked, so there is nothing "
                "to align. Expected links. Fix: dictionaries = a folder of <xx>-en.txt, or more "
                "text."
            )
        return found


class JointRealignment:
    """The callback that `build_realign_v1` makes.

    text (PairSource): The pairs.
    settings (RealignSettings): Of the loss.
    coefficient (float): Its weight.
    every (int): Steps between two batches.
    batch_size (int): Pairs per batch.
    seed (int): Of their order.
    component (str): Name of the encoder's component.

    loss (float): That of the last batch, not weighted; `nan` before the first.
    """

    def __init__(
        self,
        text: PairSource,
        settings: RealignSettings,
        coefficient: float,
        every: int,
        batch_size: int,
        seed: int,
        component: str,
    ):
        self.text = text
        self.settings = settings
        self.coefficient = coefficient
        self.every = every
        self.batch_size = batch_size
        self.seed = seed
        self.component = component
        self.loss = math.nan
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        # What was read, and the encoder, belong to this process.
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._forget()
        return copied.__dict__

    def __call__(self, nlp: Language, progress: dict[str, Any]) -> None:
        """Leave the gradient of one batch of pairs in the encoder's weights.

        nlp (Language): The pipeline, about to be updated.
        progress (Dict[str, Any]): "step", from 0.
        RAISES (ValueError): The component has no dlfa_spacy encoder, or the loss is not a number.
        """
        number, rest = divmod(progress["step"], self.every)
        if rest:
            return
        model = encoder_of(nlp, self.component, SECTION)
        method, batch = self._batch(model, number)
        shim, device = model.shim, model.packed.device
        # As the encoder itself computes: half floats on a GPU, bfloat16 on a CPU that has it.
        dtype = torch.float16 if device.type == "cuda" else torch.bfloat16
        wide = not (shim._mixed_precision or model.packed.uses_bfloat16)
        with shim.use.training(method):
            with torch.autocast(device.type, dtype, enabled=not wide):
                loss = method(batch.to(device), seeded(self.seed, number))["loss"]
            self.loss = loss.item()
            if not math.isfinite(self.loss):
                raise ValueError(
                    f"{SECTION} Step {progress['step']}: the alignment loss is {self.loss}. "
                    "Expected a finite number. Fix: a lower learning rate or coefficient."
                )
            if loss.requires_grad:
                # The encoder's own backward pass, which follows, divides all gradients by the
                # scale.
                scaled = cast(torch.Tensor, shim._grad_scaler.scale(self.coefficient * loss))
                scaled.backward()

    def _forget(self) -> None:
        self._method: Realign | None = None
        self._examples: list[Example] = []
        self._order: Order | None = None
        self._collate: Collator | None = None

    def _batch(self, model: TransformerModel, number: int) -> tuple[Realign, Batch]:
        if self._method is None or self._method.encoder is not model.transformer:
            self._method = Realign(model.transformer, model.tokenizer, self.settings)
            self._examples = self.text.read(model)
            self._order = Order(len(self._examples), self.batch_size, self.seed)
            self._collate = Collator(model.shim.piece_tokenizer, model.shim.max_length)
        assert self._order is not None and self._collate is not None
        chosen = [self._examples[i] for i in self._order[number]]
        return self._method, self._collate(chosen, seeded(self.seed, number))
