"""What a pipeline says of a text, by its components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spacy.language import Language

from ..annotation.rows import assigns, labels_for
from ..corpora.labels import NLI, PARAPHRASE
from ..layers.sequence import PAIR
from ..pipeline.confidence import Confidence
from ..pipeline.confidence.scores import is_textcat
from ..pipeline.detect_language import DetectLanguage
from ..pipeline.lingua_detector import known_languages

_OF_PAIRS = (set(NLI.names), set(PARAPHRASE.names))


@dataclass(frozen=True)
class Predictions:
    """What a pipeline predicts.

    entities (List[str]): Labels of what finds entities.
    pos (bool): Parts of speech.
    topics (List[str]): Labels of single texts.
    pair_labels (List[str]): Labels of pairs of texts.
    languages (List[str]): Those that it tells apart.
    confidence (bool): How sure it is of entities and parts of speech.
    """

    entities: list[str]
    pos: bool
    topics: list[str]
    pair_labels: list[str]
    languages: list[str]
    confidence: bool


def predictions_of(nlp: Language) -> Predictions:
    """RETURNS (Predictions): What a pipeline predicts."""
    pipes: list[Any] = [pipe for _, pipe in nlp.pipeline]
    classifiers = [pipe for pipe in pipes if is_textcat(pipe)]
    detectors = [pipe for pipe in pipes if isinstance(pipe, DetectLanguage)]
    return Predictions(
        entities=sorted(labels_for(nlp, "doc.ents")),
        pos="token.pos" in assigns(nlp),
        topics=[label for pipe in classifiers if not _reads_pairs(pipe) for label in pipe.labels],
        pair_labels=[label for pipe in classifiers if _reads_pairs(pipe) for label in pipe.labels],
        languages=(detectors[0].languages or known_languages()) if detectors else [],
        confidence=any(isinstance(pipe, Confidence) for pipe in pipes),
    )


def _reads_pairs(textcat: Any) -> bool:
    """Whether a classifier compares two texts: it is built for that, or its labels are those of
    inference or of paraphrases."""
    sequences = {node.attrs.get("sequence") for node in textcat.model.walk()}
    return PAIR in sequences or set(textcat.labels) in _OF_PAIRS
