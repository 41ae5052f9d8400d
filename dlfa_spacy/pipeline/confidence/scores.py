"""What stock components know beside what they say: scores of entities, tags and categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.pipeline import (
    EntityRecognizer,
    Morphologizer,
    MultiLabel_TextCategorizer,
    Tagger,
    TextCategorizer,
)
from spacy.tokens import Doc, Span

Floats = NDArray[numpy.float64]
# Parses less probable than this part of the best one are not followed.
BEAM_DENSITY = 1e-4
# A score of 1 says that all parses of the beam agree, not that there is no other.
LEAST = 1e-6


def is_ner(pipe: Any) -> bool:
    """RETURNS (bool): Whether a component is spaCy's entity recognizer."""
    return isinstance(pipe, EntityRecognizer)


def is_tagger(pipe: Any) -> bool:
    """RETURNS (bool): Whether a component is spaCy's tagger or morphologizer."""
    return isinstance(pipe, Tagger)


def is_textcat(pipe: Any) -> bool:
    """RETURNS (bool): Whether a component is one of spaCy's text classifiers."""
    return isinstance(pipe, TextCategorizer)


def logit(probabilities: Floats) -> Floats:
    """RETURNS (FloatsXd): log(p / (1 - p)), of p at least LEAST away from 0 and 1."""
    clipped = numpy.clip(probabilities, LEAST, 1 - LEAST)
    return numpy.asarray(numpy.log(clipped) - numpy.log1p(-clipped))


def entity_logits(
    ner: EntityRecognizer, docs: Sequence[Doc], beam_width: int
) -> list[list[tuple[Span, float]]]:
    """Score the entities that are on Docs by spaCy's own beam search (`beam_parse`, `scored_ents`):
    the share of the most probable parses that have an entity.

    ner (EntityRecognizer): The component that set them.
    docs (Sequence[Doc]): The Docs, with what the encoder left on them.
    beam_width (int): Parses followed.
    RETURNS (List[List[Tuple[Span, float]]]): Of each Doc its entities, with log(p / (1 - p)).
    """
    found = [list(doc.ents) for doc in docs]
    # The search would be told what is there already.
    wanted = [doc for doc, ents in zip(docs, found, strict=True) if ents]
    if not wanted:
        return [[] for _ in docs]
    for doc in wanted:
        doc.set_ents([], default="missing")
    try:
        scored = ner.scored_ents(
            ner.beam_parse(wanted, beam_width=beam_width, beam_density=BEAM_DENSITY)
        )
    finally:
        for doc, ents in zip(docs, found, strict=True):
            if ents:
                doc.set_ents(ents)
    scores = iter(scored)
    result = []
    for ents in found:
        known = next(scores) if ents else {}
        values = [float(known.get((e.start, e.end, e.label_), 0.0)) for e in ents]
        result.append(list(zip(ents, logit(numpy.array(values)).tolist(), strict=True)))
    return result


def tag_logits(tagger: Tagger, docs: Sequence[Doc]) -> list[Floats]:
    """Score every label for every token.

    tagger (Tagger): A tagger or morphologizer.
    docs (Sequence[Doc]): The Docs, with what the encoder left on them.
    RETURNS (List[Floats2d]): `(n_tokens, L)` of each Doc, up to a constant the log of the
        probability of each of `tagger.labels`.
    """
    rows = iter(tagger.model.predict([doc for doc in docs if len(doc)]) if any(docs) else ())
    ops = tagger.model.ops
    temperature = sums_temperature(tagger)
    found = []
    for doc in docs:
        empty = numpy.zeros((0, len(tagger.labels)))
        table = ops.to_numpy(next(rows)).astype("float64") if len(doc) else empty
        found.append(_logs(table) if temperature is None else table / temperature)
    return found


def sums_temperature(tagger: Tagger) -> float | None:
    """RETURNS (Optional[float]): What the sums that a tagger hands out have to be divided by before
    the softmax, as its config says; None if it hands out probabilities. Spacy's `Tagger.v2` does
    only if it is told to normalize."""
    layers = [node for node in tagger.model.walk() if "softmax_normalize" in node.attrs]
    if not layers or layers[-1].attrs["softmax_normalize"]:
        return None
    return float(layers[-1].attrs["softmax_temperature"])


def label_names(tagger: Tagger) -> list[str]:
    """RETURNS (List[str]): What is compared of each label: the part of speech of a morphologizer's,
    which have features, too; a tagger's is the tag."""
    if not isinstance(tagger, Morphologizer):
        return list(tagger.labels)
    features = [label.split("|") for label in tagger.labels]
    return [next((x[4:] for x in parts if x.startswith("POS=")), "") for parts in features]


def groups(names: Sequence[str]) -> NDArray[numpy.int64]:
    """RETURNS (Ints1d): `(L,)` a number for each name, equal for equal ones: that of the first."""
    first = {name: number for number, name in reversed(list(enumerate(names)))}
    return numpy.array([first[name] for name in names], dtype="int64")


def category_logits(textcat: TextCategorizer, docs: Sequence[Doc]) -> Floats:
    """
    textcat (TextCategorizer): With exclusive classes, or `MultiLabel_TextCategorizer`.
    docs (Sequence[Doc]): The Docs, with its `cats`.
    RETURNS (Floats2d): `(n, L)` what these were made of: log p, or log(p / (1 - p)).
    """
    cats = numpy.array([[doc.cats[label] for label in textcat.labels] for doc in docs])
    return _logs(cats) if is_exclusive(textcat) else logit(cats)


def is_exclusive(textcat: TextCategorizer) -> bool:
    """RETURNS (bool): Whether one category holds, and no other."""
    # Which is a subclass.
    return not isinstance(textcat, MultiLabel_TextCategorizer)


def _logs(probabilities: Floats) -> Floats:
    return numpy.asarray(numpy.log(numpy.maximum(probabilities, LEAST)))
