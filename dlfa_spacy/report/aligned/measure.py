"""Retrieval and CKA of one encoder, layer by layer, with and without centering."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language

from ...alignment.methods.language_maps import LanguageMaps
from ...analysis.curves import KnownStates
from ...analysis.words import word_pairs
from ...checks import check_number
from ...metrics.cka import cka, disjoint_batches, shuffled_rows
from ...metrics.retrieval import retrieval
from ...metrics.similarity import centred, mean_cosine
from ...parallel.text import ParallelText
from ...pipeline.encoders import encoder_of
from ...pipeline.states import resolve_layers

Row = dict[str, Any]
# The debiased CKA is a sum over n (n - 3).
_FEWEST = 4


@dataclass(frozen=True)
class MeasureOptions:
    """How to measure.

    k (int): Neighbors of CSLS.
    word_limit (int): Linked words per language; 0 for all.
    cka_size (int): Sentences of a batch of CKA.
    batch_size (int): Texts encoded at once.
    seed (int): Of the shuffled control.
    """

    k: int = 10
    word_limit: int = 2000
    cka_size: int = 125
    batch_size: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least, usual in (
            ("k", 1, 10),
            ("word_limit", 0, 2000),
            ("cka_size", 4, 125),
            ("batch_size", 1, 64),
        ):
            value = getattr(self, name)
            check_number(name, value, value >= least, f"{least} or more", usual)


@dataclass
class Measures:
    """What was measured of one encoder.

    retrieval (List[Dict[str, Any]]): encoder, level ("sentences" or "words"), language, layer,
        centred, n, cosine_to_en, cosine_from_en, csls_to_en, csls_from_en, mean_cosine.
    cka (List[Dict[str, Any]]): encoder, language, layer, cka (linear, debiased, with English),
        shuffled (the same with shuffled pairs), n.
    """

    retrieval: list[Row] = field(default_factory=list)
    cka: list[Row] = field(default_factory=list)


def measure(
    nlp: Language,
    texts: Mapping[str, ParallelText],
    name: str,
    maps: LanguageMaps | None = None,
    options: MeasureOptions = MeasureOptions(),  # noqa: B008  (frozen)
) -> Measures:
    """Measure an encoder.

    nlp (Language): A pipeline with a dlfa_spacy encoder.
    texts (Mapping[str, ParallelText]): Language -> pairs.
    name (str): Column `encoder` of the rows, such as "before".
    maps (Optional[LanguageMaps]): Maps of `clbt`. They are for the last layer, so no other is
        measured with them.
    options (MeasureOptions): How.
    RETURNS (Measures): The rows. Words are measured in languages that have any links.
    """
    layers = [-1] if maps is not None else None
    numbers = resolve_layers(layers, encoder_of(nlp).num_layers)
    known = KnownStates(nlp, layers, options.batch_size)
    found = Measures()
    for language, text in texts.items():

        def mapped(vectors: NDArray, language: str = language) -> NDArray:
            return vectors if maps is None else _map(maps, vectors, language)

        english = known(text.english)
        foreign = mapped(KnownStates(nlp, layers, options.batch_size)(text.foreign))
        head = {"encoder": name, "level": "sentences", "language": language}
        found.retrieval += _retrieval_rows(head, numbers, foreign, english, options.k)
        found.cka += _cka_rows(name, language, numbers, foreign, english, options)
        if text.linked:
            words = word_pairs(nlp, text.linked, layers, limit=options.word_limit)
            head = {**head, "level": "words"}
            found.retrieval += _retrieval_rows(
                head, numbers, mapped(words.foreign), words.english, options.k
            )
    return found


def _map(maps: LanguageMaps, vectors: NDArray, language: str) -> NDArray:
    with torch.no_grad():
        flat = torch.from_numpy(vectors.reshape(-1, vectors.shape[-1]))
        rows: NDArray = maps(flat, [language] * len(flat)).numpy()
    return rows.reshape(vectors.shape)


def _retrieval_rows(
    head: Row, layers: list[int], foreign: NDArray, english: NDArray, k: int
) -> Iterator[Row]:
    for i, layer in enumerate(layers):
        for is_centred in (False, True):
            x, y = foreign[i], english[i]
            if is_centred:
                x, y = centred(x), centred(y)
            result = retrieval(x, y, k)
            yield {
                **head,
                "layer": layer,
                "centred": is_centred,
                **result.row(),
                "mean_cosine": mean_cosine(x, y),
            }


def _cka_rows(
    name: str,
    language: str,
    layers: list[int],
    foreign: NDArray,
    english: NDArray,
    options: MeasureOptions,
) -> Iterator[Row]:
    n = foreign.shape[1]
    if n < _FEWEST:
        return
    for i, layer in enumerate(layers):
        values, control = [], []
        for number, part in enumerate(disjoint_batches(n, options.cka_size)):
            x, y = foreign[i, part], english[i, part]
            values.append(cka(x, y))
            control.append(cka(x, y[shuffled_rows(len(y), options.seed + number)]))
        yield {
            "encoder": name,
            "language": language,
            "layer": layer,
            "cka": float(numpy.mean(values)),
            "shuffled": float(numpy.mean(control)),
            "n": n,
        }
