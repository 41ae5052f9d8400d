"""A pipeline that answers requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from spacy.displacy.render import DEFAULT_LABEL_COLORS
from spacy.language import Language
from spacy.tokens import Doc

from ..annotation import AnnotationSettings
from ..annotation.rows import RowMaker
from ..language import CONFIDENCE
from ..pairs import is_pair
from ..pipeline.colors import ENTITY_COLORS
from ..pipeline.confidence.component import pos_confidence
from .batching import Job
from .layers import layer_readers, layers_by_token
from .predictions import predictions_of

_COLORS = {**DEFAULT_LABEL_COLORS, **ENTITY_COLORS}
_OTHER_COLOR = "#ddd"


class ServedPipeline:
    """A pipeline under a name, and its answers in plain values.

    name (str): How requests call it.
    nlp (Language): The pipeline.
    """

    def __init__(self, name: str, nlp: Language) -> None:
        self.name = name
        self.nlp = nlp
        self.predicts = predictions_of(nlp)
        self.readers = layer_readers(nlp)
        self._annotation = RowMaker(nlp, AnnotationSettings(name, tokens=True)).annotation

    def info(self) -> dict[str, Any]:
        """RETURNS (Dict[str, Any]): What it is and what it predicts."""
        meta = self.nlp.meta
        return {
            "name": self.name,
            "description": meta.get("description", ""),
            "license": meta.get("license", ""),
            "components": self.nlp.pipe_names,
            **asdict(self.predicts),
            "colors": {
                label: _COLORS.get(label.upper(), _OTHER_COLOR) for label in self.predicts.entities
            },
            "layers": [reader.info() for reader in self.readers],
        }

    def annotate(self, jobs: Sequence[Job]) -> list[dict[str, Any]]:
        """
        jobs (Sequence[Job]): Texts.
        RETURNS (List[Dict[str, Any]]): What the pipeline says of each, see `schema.Annotation`.
        """
        # New words are forgotten afterwards.
        with self.nlp.memory_zone():
            docs = list(self.nlp.pipe([job.text for job in jobs], batch_size=len(jobs)))
            rows = [self._row(doc) for doc in docs]
            asked = [number for number, job in enumerate(jobs) if job.layers]
            layers = layers_by_token(self.readers, [docs[number] for number in asked])
        for number, own in zip(asked, layers, strict=True):
            rows[number]["layers"] = own
        return rows

    def _row(self, doc: Doc) -> dict[str, Any]:
        row = self._annotation(doc)
        if Doc.has_extension(CONFIDENCE):
            row[CONFIDENCE] = doc._.get(CONFIDENCE)
        for token, plain in zip(doc, row["tokens"], strict=True):
            plain["confidence"] = pos_confidence(token)
        if "cats" in row:
            wanted = self.predicts.pair_labels if is_pair(doc) else self.predicts.topics
            row["cats"] = {label: row["cats"][label] for label in wanted if label in row["cats"]}
        return row
