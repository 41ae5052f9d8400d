"""What a teacher says of a text: probabilities of each label, kept on the Doc."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline import SpanCategorizer, Tagger, TextCategorizer
from spacy.tokens import Doc

from ...corpora.bare import bare_doc
from ...language import get_language, set_language
from ...pipeline.confidence.scaling import softmax
from ...pipeline.confidence.scores import is_exclusive, sums_temperature

Floats = NDArray[numpy.float32]

# In `doc.user_data`: (KEY, component) -> labels and probabilities.
KEY = "dlfa_soft_labels"
# Exclusive classes of a text or a token, or a yes and no for each label.
EXCLUSIVE, INDEPENDENT = "exclusive", "independent"


def kind_of(pipe: Any) -> str | None:
    """RETURNS (Optional[str]): What the scores of a component are, EXCLUSIVE or INDEPENDENT; None
    if it has none by label, as the parser and ner, which choose actions."""
    if isinstance(pipe, TextCategorizer):
        return EXCLUSIVE if is_exclusive(pipe) else INDEPENDENT
    if isinstance(pipe, Tagger):
        return EXCLUSIVE
    if isinstance(pipe, SpanCategorizer):
        return EXCLUSIVE if pipe.add_negative_label else INDEPENDENT
    return None


def label_names(pipe: Any) -> list[str]:
    """RETURNS (List[str]): The names of the columns of a component's scores."""
    names = [str(label) for label in pipe.labels]
    # "No span" has a column without a label.
    return [*names, ""] if isinstance(pipe, SpanCategorizer) and pipe.add_negative_label else names


def soften(probabilities: Floats, kind: str, temperature: float) -> Floats:
    """Soften the probabilities of a teacher, or sharpen them.

        q = softmax(z / T), of independent labels sigmoid(z / T)

    The scores z are those up to a constant that the probabilities tell.

    probabilities (NDArray): `(n, K)` at T = 1.
    kind (str): EXCLUSIVE or INDEPENDENT.
    temperature (float): T.
    RETURNS (NDArray): `(n, K)`.
    """
    p = probabilities.astype("float64").clip(1e-30, 1.0)
    if kind == EXCLUSIVE:
        return softmax(numpy.log(p) / temperature).astype("float32")
    z = (numpy.log(p) - numpy.log((1 - p).clip(1e-30, 1.0))) / temperature
    return (1 / (1 + numpy.exp(-z))).astype("float32")


def score_docs(
    teacher: Language,
    docs: Sequence[Doc],
    names: Sequence[str],
    temperature: float = 1.0,
    keep_gold: bool = False,
) -> Iterator[Doc]:
    """Let a teacher annotate texts, and keep its probabilities.

    teacher (Language): The pipeline.
    docs (Sequence[Doc]): The texts, of any vocab; their tokens are kept, and given to the teacher.
    names (Sequence[str]): Components whose probabilities are kept. What the others annotate is
        taken as it is.
    temperature (float): See `soften`.
    keep_gold (bool): Categories and tags that the texts have already stay.
    YIELDS (Doc): The same texts in the teacher's vocab, with all that it annotates.
    """
    read = [bare_doc(teacher.vocab, doc) for doc in docs]
    kept: list[dict[str, Any]] = [{} for _ in read]
    for name, pipe in teacher.pipeline:
        if name in names:
            for own, scored in zip(kept, _probabilities(pipe, read), strict=True):
                spans, table = scored
                own[name] = (
                    label_names(pipe),
                    spans,
                    soften(table, str(kind_of(pipe)), temperature),
                )
        each = getattr(pipe, "pipe", None)
        read = list(each(read)) if each else [pipe(doc) for doc in read]
    for doc, gold, own in zip(read, docs, kept, strict=True):
        language = get_language(gold)
        # Not the encoder's output, and nothing else that a component leaves for others.
        doc.user_data.clear()
        set_language(doc, language)
        _harden(teacher, doc)
        if keep_gold and gold.cats:
            doc.cats = dict(gold.cats)
        if keep_gold and gold.has_annotation("TAG"):
            for token, theirs in zip(doc, gold, strict=True):
                token.tag_ = theirs.tag_
        for name, (labels, spans, table) in own.items():
            value = {"labels": labels, "scores": table}
            if spans is not None:
                value["spans"] = spans
            doc.user_data[KEY, name] = value  # type: ignore[index]
        yield doc


def soft_labels(doc: Doc, name: str) -> dict[str, Any] | None:
    """RETURNS (Optional[Dict[str, Any]]): What a teacher gave a text: `labels`, `scores` `(n, K)`,
    and of spans `spans` `(n, 2)`; None if it gave nothing."""
    return doc.user_data.get((KEY, name))  # type: ignore[call-overload]


def _harden(teacher: Language, doc: Doc) -> None:
    """Make yes and no of the categories: spaCy's classifiers want an annotation to be that."""
    for _, pipe in teacher.pipeline:
        if not isinstance(pipe, TextCategorizer):
            continue
        scores = {label: doc.cats[label] for label in pipe.labels}
        bound = pipe.cfg["threshold"] if kind_of(pipe) == INDEPENDENT else max(scores.values())
        first = next((label for label in pipe.labels if scores[label] >= bound), None)
        for label, score in scores.items():
            yes = score >= bound if kind_of(pipe) == INDEPENDENT else label == first
            doc.cats[label] = float(yes)


def _probabilities(pipe: Any, docs: list[Doc]) -> list[tuple[Any, Floats]]:
    """RETURNS (List[Tuple[Optional[NDArray], NDArray]]): Of each Doc the spans that were scored,
    begin and end, and `(n, K)`."""
    ops = pipe.model.ops
    if isinstance(pipe, TextCategorizer):
        # An empty text has no prediction of its own.
        table = ops.to_numpy(pipe.model.predict(docs))
        return [(None, row[None]) for row in table]
    if isinstance(pipe, Tagger):
        tables = [ops.to_numpy(table) for table in pipe.model.predict(docs)]
        return [(None, _normalized(pipe, table)) for table in tables]
    spans, scores = pipe.predict(docs)
    places, table = ops.to_numpy(spans.data), ops.to_numpy(scores)
    ends = numpy.cumsum(ops.to_numpy(spans.lengths))
    parts = zip(numpy.split(places, ends[:-1]), numpy.split(table, ends[:-1]), strict=True)
    return list(parts)


def _normalized(tagger: Tagger, table: Floats) -> Floats:
    """RETURNS (NDArray): Probabilities: a tagger may leave out the softmax when it predicts."""
    temperature = sums_temperature(tagger)
    return table if temperature is None else softmax(table / temperature)
