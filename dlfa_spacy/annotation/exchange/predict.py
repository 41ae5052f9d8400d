"""What a pipeline says about texts, as records."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spacy.language import Language
from spacy.tokens import Doc

from ...language import get_language, set_language
from ...pipeline.confidence import entity_confidence
from ..rows import labels_for
from .records import Entity, Record

_ASSIGNS = {"entities": "doc.ents", "categories": "doc.cats"}
# Texts in one memory zone: what the vocab learned from them is forgotten afterwards.
_ZONE = 1000
# From here on a category applies, where several may.
_APPLIES = 0.5


@dataclass(frozen=True)
class Labels:
    """What people choose from.

    entities (List[str]): Labels of entities; none if the pipeline finds none.
    categories (List[str]): Labels of texts; none if it does not classify.
    exclusive (bool): Whether a text has one category.
    """

    entities: list[str]
    categories: list[str]
    exclusive: bool


def labels_of(nlp: Language, tasks: Iterable[str] = ("entities", "categories")) -> Labels:
    """Collect the labels of a pipeline's components.

    nlp (Language): The pipeline.
    tasks (Iterable[str]): "entities" and "categories", or one of them.
    RETURNS (Labels): The labels.
    RAISES (ValueError): It has none.
    """
    wanted = set(tasks)
    found = {
        kind: labels_for(nlp, attribute) if kind in wanted else []
        for kind, attribute in _ASSIGNS.items()
    }
    if not any(found.values()):
        raise ValueError(
            f"--model: found no labels of {' or '.join(sorted(wanted))} in {nlp.pipe_names}. "
            "Expected a pipeline with a trained ner or textcat. Fix: name another one, or another "
            "--only."
        )
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    return Labels(**found, exclusive="textcat_multilabel" not in factories)


def predict(nlp: Language, records: Iterable[Record], labels: Labels) -> Iterator[Record]:
    """Annotate texts.

    nlp (Language): The pipeline.
    records (Iterable[Record]): The texts. A language that is given stays; for others the pipeline
        may have a `dlfa_language`.
    labels (Labels): What to keep of the annotations.
    YIELDS (Record): The texts with entities, categories and confidence, in their order.
    """
    records = iter(records)
    while chunk := list(itertools.islice(records, _ZONE)):
        with nlp.memory_zone():
            docs = [nlp.make_doc(record.text) for record in chunk]
            for doc, record in zip(docs, chunk, strict=True):
                set_language(doc, record.language)
            for doc, record in zip(nlp.pipe(docs), chunk, strict=True):
                yield _annotated(doc, record, labels)


def _annotated(doc: Doc, record: Record, labels: Labels) -> Record:
    entities = [
        Entity(ent.start_char, ent.end_char, ent.label_, entity_confidence(ent))
        for ent in doc.ents
        if labels.entities
    ]
    scores = {label: doc.cats[label] for label in labels.categories if label in doc.cats}
    sure = [ent.confidence for ent in entities if ent.confidence is not None]
    if scores and not sure:
        sure = _certainties(scores, labels.exclusive)
    return replace(
        record,
        # A tokenizer replaces what no Doc can hold; the offsets are those of its text.
        text=doc.text,
        entities=entities,
        categories=_chosen(scores, labels.exclusive),
        language=get_language(doc),
        confidence=min(sure, default=None),
        tokens=[(token.idx, token.idx + len(token)) for token in doc],
    )


def _chosen(scores: dict[str, float], exclusive: bool) -> list[str]:
    if not scores or not exclusive:
        return [label for label, score in scores.items() if score >= _APPLIES]
    return [max(scores, key=lambda label: scores[label])]


def _certainties(scores: dict[str, float], exclusive: bool) -> list[float]:
    """RETURNS (List[float]): How sure each decision is: one for all, or one a category."""
    if exclusive:
        return [max(scores.values())]
    return [max(score, 1 - score) for score in scores.values()]
