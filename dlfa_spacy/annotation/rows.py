"""A row of the result: what a pipeline says of one text, in plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spacy.language import Language
from spacy.pipeline import AttributeRuler
from spacy.tokens import Doc, Span, Token

from ..pipeline.confidence import entity_confidence
from .records import Record
from .settings import AnnotationSettings

# Columns of tokens: what a component says it assigns, and how it is read.
TOKEN_COLUMNS: dict[str, Callable[[Token], Any]] = {
    "tag": lambda token: token.tag_,
    "pos": lambda token: token.pos_,
    "morph": lambda token: str(token.morph),
    "lemma": lambda token: token.lemma_,
    "dep": lambda token: token.dep_,
    "head": lambda token: token.head.i,
    "is_sent_start": lambda token: bool(token.is_sent_start),
}


class RowMaker:
    """Makes rows that all have the same columns: those that the pipeline's components set.

    nlp (Language): The pipeline.
    settings (AnnotationSettings): What else a row has.
    """

    def __init__(self, nlp: Language, settings: AnnotationSettings) -> None:
        self.settings = settings
        assigned = assigns(nlp)
        self.token_columns = [name for name in TOKEN_COLUMNS if f"token.{name}" in assigned]
        self.has_cats = "doc.cats" in assigned
        self.has_spans = "doc.spans" in assigned

    def __call__(self, record: Record, doc: Doc) -> dict[str, Any]:
        """
        record (Record): The row that was read.
        doc (Doc): Its text, annotated.
        RETURNS (Dict[str, Any]): The row of the result.
        """
        kept = {name: record.values.get(name) for name in self.settings.keep}
        return {"id": record.id(self.settings.id_name), **self.annotation(doc), **kept}

    def annotation(self, doc: Doc) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What the pipeline says of a Doc."""
        row: dict[str, Any] = {
            "language": doc._.language if Doc.has_extension("language") else None,
            "entities": [{**_span(ent), "confidence": entity_confidence(ent)} for ent in doc.ents],
        }
        if self.settings.tokens:
            row["tokens"] = [self._token(token) for token in doc]
        if self.has_cats:
            row["cats"] = {label: float(score) for label, score in doc.cats.items()}
        if self.has_spans:
            row["spans"] = {key: [_span(span) for span in doc.spans[key]] for key in doc.spans}
        return row

    def _token(self, token: Token) -> dict[str, Any]:
        place = {"start": token.idx, "end": token.idx + len(token)}
        return {**place, **{name: TOKEN_COLUMNS[name](token) for name in self.token_columns}}


def labels_for(nlp: Language, attribute: str) -> list[str]:
    """
    nlp (Language): A pipeline.
    attribute (str): "doc.ents", "doc.cats".
    RETURNS (List[str]): The labels of the components that say they assign it, in their order.
    """
    found = [
        label
        for name in nlp.pipe_names
        if attribute in nlp.get_pipe_meta(name).assigns
        for label in getattr(nlp.get_pipe(name), "labels", ())
    ]
    return list(dict.fromkeys(found))


def assigns(nlp: Language) -> set[str]:
    """RETURNS (Set[str]): What the components set, in spaCy's words: `token.tag`, `doc.cats`."""
    found = {name for pipe in nlp.pipe_names for name in nlp.get_pipe_meta(pipe).assigns}
    for _, pipe in nlp.pipeline:
        # Its patterns say what it sets.
        if isinstance(pipe, AttributeRuler):
            patterns: list[Any] = pipe.patterns
            keys = {str(key) for pattern in patterns for key in pattern["attrs"]}
            found |= {f"token.{key.lower()}" for key in keys}
    return found


def _span(span: Span) -> dict[str, Any]:
    return {"start": span.start_char, "end": span.end_char, "label": span.label_}
