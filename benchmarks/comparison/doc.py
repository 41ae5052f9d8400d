"""Bytes that are left on a Doc, with and without the cleaner of shipped configs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy
from spacy.tokens import Doc

from dlfa_spacy.recipes import available

from .bench import Bench
from .figures import Figure, figure
from .pipelines import CURATED, System, build

CLEANED, KEPT = "cleaned", "kept"
# Sentences enough: what is left of each wordpiece is the same everywhere.
WORDS = 200


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Bytes for each word."""
    folder = bench.encoder_folder(shape)
    texts = bench.texts("sentences", min(WORDS, bench.sizes.words[shape]))
    words = sum(len(text.words) for text in texts)
    figures: list[Figure] = []
    for name in ("stock", *available("aggregations")):
        system = System(name)
        nlp = build(folder, system)
        for quantity, disabled in ((KEPT, ["doc_cleaner"]), (CLEANED, [])):
            made = (Doc(nlp.vocab, words=text.words) for text in texts)
            docs = list(nlp.pipe(made, disable=disabled))
            value = vector_bytes(docs) / words
            figures.append(figure("doc", shape, "sentences", system.name, quantity, [value], words))
    with bench.curated(shape, list(texts)) as curated:
        if curated is not None:
            value = curated.bytes_left() / words
            figures.append(figure("doc", shape, "sentences", CURATED, KEPT, [value], words))
    return figures


def vector_bytes(docs: list[Doc]) -> int:
    """RETURNS (int): Bytes of all arrays that Docs keep alive, those counted once that they share:
    a view keeps the whole array that it is a part of."""
    owners: dict[int, int] = {}
    for doc in docs:
        for array in _arrays([doc.tensor, dict(doc.user_data)], set()):
            owner = array
            while isinstance(owner.base, numpy.ndarray):
                owner = owner.base
            owners[id(owner)] = int(owner.nbytes)
    return sum(owners.values())


def _arrays(value: Any, seen: set[int]) -> Iterator[numpy.ndarray]:
    """YIELDS: Every array below an object, by its attributes and items."""
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type, Doc)):
        return
    seen.add(id(value))
    if isinstance(value, numpy.ndarray):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _arrays(item, seen)
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _arrays(item, seen)
    elif type(value).__module__.startswith(("dlfa_spacy", "spacy_transformers", "thinc", "cupy")):
        if hasattr(value, "get") and hasattr(value, "nbytes"):
            # A GPU's array: its bytes, wherever they are.
            yield numpy.empty((int(value.nbytes),), dtype="uint8")
        else:
            for key, item in vars(value).items():
                # The tokenizer and the encoder belong to the pipeline.
                if key not in ("_tokenizer", "encoder"):
                    yield from _arrays(item, seen)
