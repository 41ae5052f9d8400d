"""A reference's gradient joins that of the task: realignment, and adjustment, while fine-tuning."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spacy.language import Language

from ..alignment.methods.cao import Cao, CaoSettings
from ..alignment.methods.realign import Realign, RealignSettings
from ..checks import check_number
from ..encoder.model import TransformerModel
from ..pipeline.encoders import encoder_of
from .reference import SECTION, PairSource, Reference


@dataclass
class JointLoss:
    """A callback: task loss + coefficient x reference loss.

    reference (Reference): The other loss.
    coefficient (float): Its weight.
    every (int): Steps between two batches.
    component (str): Name of the encoder's component.
    """

    reference: Reference
    coefficient: float
    every: int
    component: str

    def __call__(self, nlp: Language, progress: dict[str, Any]) -> None:
        """Leave the gradient of one batch in the encoder's weights. `nlp.update` adds that of the
        components, and the optimizer steps once, on the sum.

        nlp (Language): The pipeline, about to be updated.
        progress (Dict[str, Any]): "step", from 0.
        RAISES (ValueError): The component has no dlfa_spacy encoder, or the loss is not a number.
        """
        number, rest = divmod(progress["step"], self.every)
        if not rest:
            model = encoder_of(nlp, self.component, SECTION)
            self.reference.backward(model, number, self.coefficient)

    @property
    def loss(self) -> float:
        """That of the last batch, not weighted; `nan` before the first."""
        return self.reference.loss


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
    coefficient (float): Weight of the alignment loss. AlignFreeze ("during") has 0.1.
    every (int): Steps between two batches of pairs.
    batch_size (int): Pairs per batch. 16 as in AlignFreeze.
    max_length (int): Wordpieces of a side, special tokens included. 96 as in AlignFreeze.
    temperature (float): As in `dlfa align realign`, like the following.
    candidates (str): `"all"`, `"linked"` or `"translations"`.
    word_repr (str): `"mean"`, `"first"` or `"last"`.
    seed (int): Of the order of the pairs.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].
    RAISES (ValueError): A setting is out of range.

    Source: Gaschi et al. 2023, and Bakos et al. 2025 (AlignFreeze), joint realignment.

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.realign.v1"
    parallel = "assets/parallel"
    dictionaries = "assets/parallel/dictionary"
    coefficient = 0.1
    ```
    """
    check_positive(coefficient=coefficient, every=every, batch_size=batch_size)
    make = functools.partial(
        _realign, settings=RealignSettings(temperature, candidates, "none", word_repr)
    )
    pairs = PairSource(parallel, dictionaries, languages, limit, max_length)
    reference = Reference("realign", make, pairs, batch_size, seed)
    return JointLoss(reference, coefficient, every, component)


def build_adjust_v1(
    parallel: str,
    dictionaries: str | None = None,
    languages: list[str] | None = None,
    limit: int = 30_000,
    align: float = 0.01,
    keep: float = 1.0,
    every: int = 1,
    batch_size: int = 16,
    max_length: int = 96,
    word_repr: str = "mean",
    special_tokens: bool = True,
    seed: int = 0,
    component: str = "transformer",
) -> Callable[[Language, dict[str, Any]], None]:
    """Adjust words while a pipeline is fine-tuned: task loss + align x MSE(foreign, English) +
    keep x MSE(English, English in the initial encoder), of words that translate each other.

    A copy of the initial encoder is kept in memory while it trains.

    parallel (str): Parallel text, a file or a folder, as `dlfa align` reads it.
    dictionaries (Optional[str]): Folder of MUSE files (`<xx>-en.txt`) to link words with; null
        induces them from the text. Links in the files come before both.
    languages (Optional[List[str]]): Only these; null for all.
    limit (int): Pairs per language; 0 for all.
    align (float): Weight of the distance of linked words.
    keep (float): Weight of the distance of all English words from where they were.
    every (int): Steps between two batches of pairs.
    batch_size (int): Pairs per batch.
    max_length (int): Wordpieces of a side, special tokens included.
    word_repr (str): `"mean"`, `"first"` or `"last"` of a word's wordpieces.
    special_tokens (bool): Whether the first and the last special token of a side are words that
        translate each other, too.
    seed (int): Of the order of the pairs.
    component (str): Name of the encoder's component.
    CREATES: A callback for [training.before_update].
    RAISES (ValueError): A setting is out of range.

    Source: Efimov et al. 2023 (The Impact of Cross-Lingual Adjustment of Contextual Word
    Representations on Zero-Shot Transfer), the continual form; the defaults are those of the
    authors' code.

    ```ini
    [training.before_update]
    @callbacks = "dlfa_spacy.adjust.v1"
    parallel = "assets/parallel"
    dictionaries = "assets/parallel/dictionary"
    ```
    """
    check_positive(align=align, every=every, batch_size=batch_size)
    settings = CaoSettings(keep / align, word_repr, special_tokens=special_tokens)
    make = functools.partial(_cao, settings=settings)
    pairs = PairSource(parallel, dictionaries, languages, limit, max_length)
    return JointLoss(Reference("adjust", make, pairs, batch_size, seed), align, every, component)


def _realign(model: TransformerModel, settings: RealignSettings) -> Realign:
    return Realign(model.transformer, model.tokenizer, settings)


def _cao(model: TransformerModel, settings: CaoSettings) -> Cao:
    return Cao(model.transformer, model.tokenizer, settings)


def check_positive(**values: float) -> None:
    """RAISES (ValueError): A count is below 1, or another number not above 0."""
    for name, value in values.items():
        counts = isinstance(value, int)
        right = value >= 1 if counts else value > 0
        wanted = "1 or more" if counts else "a number above 0"
        check_number(f"{SECTION} {name}", value, right, wanted, 1 if counts else 0.1)
