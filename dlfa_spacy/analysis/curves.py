"""CKA and retrieval for every layer of an encoder and every language: rows of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language

from ..checks import check_choice, check_number
from ..metrics.cka import KERNELS, KINDS, cka_kinds, disjoint_batches, shuffled_rows
from ..metrics.retrieval import retrieval
from ..metrics.similarity import centred, mean_cosine, random_pair_cosine
from ..parallel.text import ParallelText
from ..pipeline.encoders import encoder_of
from ..pipeline.states import BATCH_SIZE, all_sentence_states, resolve_layers
from .words import word_pairs

Row = dict[str, Any]


class KnownStates:
    """Sentence vectors that are kept: the English side is often the same in every language.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    layers (Sequence[int]): Which layers; all by default.
    batch_size (int): Texts encoded at once.
    """

    def __init__(
        self, nlp: Language, layers: Sequence[int] | None = None, batch_size: int = BATCH_SIZE
    ):
        self.nlp = nlp
        self.layers = layers
        self.batch_size = batch_size
        self._known: dict[str, NDArray] = {}

    def __call__(self, texts: Sequence[str]) -> NDArray[numpy.float32]:
        """RETURNS (NDArray): `(len(layers), n, E)`."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new or not texts:
            states = all_sentence_states(self.nlp, new, self.layers, self.batch_size)
            self._known |= {text: states[:, i] for i, text in enumerate(new)}
            if not texts:
                return states
        return numpy.stack([self._known[text] for text in texts], axis=1)


@dataclass(frozen=True)
class CkaOptions:
    """How CKA is computed.

    size (int): Sentences in a batch. Batches share none; mean and deviation are over them.
    kinds (Sequence[Tuple[str, bool]]): Kernels, and whether debiased.
    seed (int): Of the shuffled control.
    """

    size: int = 125
    kinds: Sequence[tuple[str, bool]] = tuple(KINDS)
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("size", self.size, self.size >= 4, "4 or more sentences", 125)
        for kernel, _ in self.kinds:
            check_choice("kernel", kernel, tuple(KERNELS))


def cka_rows(
    nlp: Language,
    text: ParallelText,
    english: KnownStates,
    options: CkaOptions = CkaOptions(),  # noqa: B008  (frozen)
    foreign: KnownStates | None = None,
) -> Iterator[Row]:
    """CKA between a language and English, layer by layer, and with the pairs shuffled.

    Only one batch of foreign sentences is in memory, unless `foreign` keeps them.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    text (ParallelText): The pairs.
    english (KnownStates): All layers of the same encoder.
    options (CkaOptions): How.
    foreign (Optional[KnownStates]): As `english`, for the other side, if it is read once more.
    YIELDS (Dict[str, Any]): language, layer, kernel, debiased, cka, sd, shuffled, shuffled_sd,
        batches, n. `shuffled` is the same with shuffled pairs: a `cka` that is no larger says
        nothing about translations.
    """
    values: dict[tuple[int, str, bool], list[float]] = {}
    control: dict[tuple[int, str, bool], list[float]] = {}
    batches = list(disjoint_batches(len(text.pairs), options.size))
    for number, part in enumerate(batches):
        x = _foreign(nlp, text.foreign[part], english, foreign)
        y = english(text.english[part])
        order = shuffled_rows(x.shape[1], options.seed + number)
        for layer in range(len(x)):
            for wrong, found in ((False, values), (True, control)):
                other = y[layer][order] if wrong else y[layer]
                for kind, value in cka_kinds(x[layer], other, options.kinds).items():
                    found.setdefault((layer, *kind), []).append(value)
    numbers = resolve_layers(english.layers, encoder_of(nlp).num_layers)
    for (layer, kernel, debiased), found_values in values.items():
        wrong_values = control[layer, kernel, debiased]
        yield {
            "language": text.language,
            "layer": numbers[layer],
            "kernel": kernel,
            "debiased": debiased,
            "cka": float(numpy.mean(found_values)),
            "sd": _sd(found_values),
            "shuffled": float(numpy.mean(wrong_values)),
            "shuffled_sd": _sd(wrong_values),
            "batches": len(batches),
            "n": len(text.pairs),
        }


def retrieval_rows(
    nlp: Language,
    text: ParallelText,
    english: KnownStates,
    *,
    words: bool = False,
    k: int = 10,
    word_limit: int = 0,
    seed: int = 0,
    foreign: KnownStates | None = None,
) -> Iterator[Row]:
    """Retrieval between a language and English, layer by layer, with and without centering.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    text (ParallelText): The pairs.
    english (KnownStates): All layers of the same encoder.
    words (bool): Retrieve linked words among all linked words, instead of sentences.
    k (int): Neighbors of CSLS.
    word_limit (int): Words; 0 for all.
    seed (int): Of the controls.
    foreign (Optional[KnownStates]): As `english`, for the sentences of the other side, if they are
        read once more.
    YIELDS (Dict[str, Any]): language, layer, level, centred, n, cosine_to_en, cosine_from_en,
        csls_to_en, csls_from_en (accuracies); mean_cosine of translations and shuffled_cosine, the
        same with shuffled pairs; isotropy and isotropy_en, the mean cosine of random pairs
        within each language. `centred` subtracts from each language its mean, over the same
        sentences.
    """
    if words:
        pairs = word_pairs(nlp, text.pairs, english.layers, limit=word_limit)
        x, y = pairs.foreign, pairs.english
    else:
        x = _foreign(nlp, text.foreign, english, foreign)
        y = english(text.english)
    numbers = resolve_layers(english.layers, encoder_of(nlp).num_layers)
    order = shuffled_rows(x.shape[1], seed)
    for i, layer in enumerate(numbers):
        for is_centred in (False, True):
            a, b = (centred(x[i]), centred(y[i])) if is_centred else (x[i], y[i])
            found = retrieval(a, b, k)
            yield {
                "language": text.language,
                "layer": layer,
                "level": "words" if words else "sentences",
                "centred": is_centred,
                **found.row(),
                "mean_cosine": mean_cosine(a, b),
                "shuffled_cosine": mean_cosine(a, b[order]),
                "isotropy": random_pair_cosine(a, seed),
                "isotropy_en": random_pair_cosine(b, seed),
            }


def _sd(values: Sequence[float]) -> float:
    """RETURNS (float): The sample's deviation; `nan` of one value, which has none."""
    return float(numpy.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _foreign(
    nlp: Language, texts: Sequence[str], english: KnownStates, known: KnownStates | None
) -> NDArray[numpy.float32]:
    if known is not None:
        return known(texts)
    return all_sentence_states(nlp, texts, english.layers, english.batch_size)
