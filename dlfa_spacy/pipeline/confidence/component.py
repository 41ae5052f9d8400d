"""The component `dlfa_confidence`: how sure a pipeline is of entities, tags and categories."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy
import srsly
from spacy.language import Language
from spacy.pipeline import Tagger
from spacy.tokens import Doc, Span, Token
from spacy.util import minibatch

from ...checks import check_number
from ...files.writing import replacing
from ...language import get_language
from .scaling import Scale, scale_of, shares_of_groups, sigmoid, softmax
from .scores import (
    category_logits,
    entity_logits,
    groups,
    is_exclusive,
    is_ner,
    is_tagger,
    is_textcat,
    label_names,
    tag_logits,
)

FILE = "scales.json"
CLEANERS = ("doc_cleaner", "dlfa_doc_cleaner")
# Typed as Any: spaCy's stubs say that the keys of user_data are strings.
_POS: Any = "dlfa_pos_confidence"


@Language.factory(
    "dlfa_confidence",
    # Categories it only makes truer: who asks what a pipeline predicts must not find any here.
    assigns=["span._.confidence", "token._.pos_confidence"],
    default_config={
        "entities": True,
        "tags": True,
        "beam_width": 16,
        "thresholds": {},
        "language_thresholds": {},
    },
)
def make_confidence(
    nlp: Language,
    name: str,
    entities: bool,
    tags: bool,
    beam_width: int,
    thresholds: dict[str, float],
    language_thresholds: dict[str, dict[str, float]],
) -> "Confidence":
    """Confidences that are probabilities: of the predictions with a confidence of 0.8, eight in ten
    are right, in the language that `dlfa calibrate` was given. Before that they are what the
    components say, which is usually too much.

    Put it behind the components that it speaks of, and before `doc_cleaner`.

    entities (bool): Set `ent._.confidence`, by a beam search beside the greedy one of spaCy.
    tags (bool): Set `token._.pos_confidence`, of the part of speech, over all labels that have it.
    beam_width (int): Parses that the search follows.
    thresholds (Dict[str, float]): Least confidence of an entity by label, "*" for all others; what
        has less is taken from `doc.ents`.
    language_thresholds (Dict[str, Dict[str, float]]): The same for Docs of a language
        (`doc._.language`), before those of `thresholds`.
    CREATES: The component.

    ```ini
    [components.confidence]
    factory = "dlfa_confidence"
    thresholds = {"*": 0.5, "ORG": 0.7}
    language_thresholds = {"sw": {"*": 0.8}}
    ```

    Guo et al. 2017, *On Calibration of Modern Neural Networks*, for tags and categories;
    Platt 1999 for entities.
    """
    where = f"[components.{name}]"
    check_number(f"{where} beam_width", beam_width, beam_width >= 2, "2 or more", 16)
    for label, value in thresholds.items():
        _check_threshold(f"{where} thresholds, {label}", value)
    for language, own in language_thresholds.items():
        for label, value in own.items():
            _check_threshold(f"{where} language_thresholds, {language}, {label}", value)
    return Confidence(
        nlp,
        name=name,
        entities=entities,
        tags=tags,
        beam_width=beam_width,
        thresholds=thresholds,
        language_thresholds=language_thresholds,
    )


def _check_threshold(key: str, value: float) -> None:
    check_number(key, value, 0 <= value <= 1, "0 to 1", 0.5)


class Confidence:
    """Sets `ent._.confidence`, `token._.pos_confidence` and calibrated `doc.cats`. An entity that
    another component set, an entity ruler for example, has the confidence that the recognizer would
    have in it.

    nlp (Language): The pipeline that it is part of.
    The other arguments are those of `make_confidence`.
    """

    def __init__(
        self,
        nlp: Language,
        *,
        name: str = "confidence",
        entities: bool = True,
        tags: bool = True,
        beam_width: int = 16,
        thresholds: Mapping[str, float] | None = None,
        language_thresholds: Mapping[str, Mapping[str, float]] | None = None,
    ):
        register_extensions()
        self.nlp: Language | None = nlp
        self.name = name
        self.entities = entities
        self.tags = tags
        self.beam_width = beam_width
        self.thresholds = dict(thresholds or {})
        self.language_thresholds = dict(language_thresholds or {})
        # Component -> label -> scale.
        self.scales: dict[str, dict[str, Scale]] = {}
        # What they were fitted on, in words.
        self.fitted_on: dict[str, Any] = {}
        self._pipes: list[tuple[str, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        # Another process gets the components, not the pipeline around them.
        return {**self.__dict__, "nlp": None, "_pipes": self.pipes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        register_extensions()
        self.__dict__.update(state)

    @property
    def pipes(self) -> list[tuple[str, Any]]:
        """RETURNS (List[Tuple[str, Any]]): The components before it that it speaks of."""
        if self.nlp is None:
            return self._pipes
        pipeline = list(self.nlp.pipeline)
        own = next((i for i, (_, pipe) in enumerate(pipeline) if pipe is self), len(pipeline))
        return [
            (name, pipe)
            for name, pipe in pipeline[:own]
            if (self.entities and is_ner(pipe))
            or (self.tags and is_tagger(pipe))
            or is_textcat(pipe)
        ]

    def __call__(self, doc: Doc) -> Doc:
        """Set the confidences of one Doc."""
        return next(self.pipe([doc]))

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Set the confidences of a stream of Docs.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): Docs at once.
        YIELDS (Doc): The Docs, in their own order.
        """
        for batch in minibatch(stream, batch_size):
            docs = list(batch)
            for name, pipe in self.pipes:
                if is_ner(pipe):
                    self._set_entities(name, pipe, docs)
                elif is_tagger(pipe):
                    self._set_tags(name, pipe, docs)
                else:
                    self._set_categories(name, pipe, docs)
            yield from docs

    def _set_entities(self, name: str, ner: Any, docs: Sequence[Doc]) -> None:
        for doc, scored in zip(docs, entity_logits(ner, docs, self.beam_width), strict=True):
            kept = []
            thresholds = self._thresholds(doc)
            for ent, logit in scored:
                scale = scale_of(self.scales.get(name, {}), ent.label_)
                ent._.confidence = float(sigmoid(scale.apply(numpy.array(logit))))
                if ent._.confidence >= thresholds.get(ent.label_, thresholds.get("*", 0.0)):
                    kept.append(ent)
            if len(kept) < len(scored):
                doc.set_ents(kept)

    def _thresholds(self, doc: Doc) -> Mapping[str, float]:
        own = self.language_thresholds.get(get_language(doc) or "", {})
        # A language's own "*" comes before what is said of a label in all languages.
        return own if "*" in own else {**self.thresholds, **own}

    def _set_tags(self, name: str, tagger: Tagger, docs: Sequence[Doc]) -> None:
        scale = scale_of(self.scales.get(name, {}))
        same = groups(label_names(tagger))
        for doc, logits in zip(docs, tag_logits(tagger, docs), strict=True):
            _, sure = shares_of_groups(scale.apply(logits), same)
            doc.user_data[_POS] = sure.astype("float32")

    def _set_categories(self, name: str, textcat: Any, docs: Sequence[Doc]) -> None:
        labels = list(textcat.labels)
        logits = scale_of(self.scales.get(name, {})).apply(category_logits(textcat, docs))
        found = softmax(logits) if is_exclusive(textcat) else sigmoid(logits)
        for doc, row in zip(docs, found.tolist(), strict=True):
            doc.cats.update(zip(labels, row, strict=True))

    def to_bytes(self, *, exclude: Sequence[str] = ()) -> bytes:
        """RETURNS (bytes): The scales."""
        return bytes(srsly.msgpack_dumps(self._state()))

    def from_bytes(self, data: bytes, *, exclude: Sequence[str] = ()) -> "Confidence":
        """Take the scales of `to_bytes`."""
        self._set_state(srsly.msgpack_loads(data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Sequence[str] = ()) -> None:
        """Write the scales."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / FILE) as temporary:
            srsly.write_json(temporary, self._state())

    def from_disk(self, path: str | Path, *, exclude: Sequence[str] = ()) -> "Confidence":
        """Read what `to_disk` wrote."""
        self._set_state(srsly.read_json(Path(path) / FILE))
        return self

    def _state(self) -> dict[str, Any]:
        scales = {
            name: {label: scale._asdict() for label, scale in own.items()}
            for name, own in self.scales.items()
        }
        return {"scales": scales, "fitted_on": self.fitted_on}

    def _set_state(self, state: Any) -> None:
        self.scales = {
            name: {label: Scale(**values) for label, values in own.items()}
            for name, own in state["scales"].items()
        }
        for name, own in self.scales.items():
            for label, scale in own.items():
                key = f"{FILE}: {name}, {label!r}, temperature"
                check_number(key, scale.temperature, scale.temperature > 0, "above 0", 1.0)
        self.fitted_on = state["fitted_on"]


def find_confidence(nlp: Language, beam_width: int = 16) -> Confidence:
    """Find a pipeline's `dlfa_confidence`, or add one, before what cleans Docs of what it reads.

    nlp (Language): The pipeline.
    beam_width (int): Of the one that is added, see `make_confidence`.
    RETURNS (Confidence): The component, which speaks of something.
    RAISES (ValueError): No component before it has a confidence.
    """
    found = next((pipe for _, pipe in nlp.pipeline if isinstance(pipe, Confidence)), None)
    if found is None:
        cleaners = [name for name in nlp.pipe_names if nlp.get_pipe_meta(name).factory in CLEANERS]
        before = cleaners[0] if cleaners else None
        config = {"beam_width": beam_width}
        made: Any = nlp.add_pipe("dlfa_confidence", "confidence", before=before, config=config)
        found = cast(Confidence, made)
    if not found.pipes:
        raise ValueError(
            f"The pipeline has {nlp.pipe_names}: expected an entity recognizer, a tagger, a "
            "morphologizer or a text classifier of spaCy. Fix: train one."
        )
    return found


def register_extensions() -> None:
    """Register `span._.confidence` and `token._.pos_confidence`, both None where nobody set them,
    unless somebody already has."""
    if not Span.has_extension("confidence"):
        Span.set_extension("confidence", default=None)
    if not Token.has_extension("pos_confidence"):
        Token.set_extension("pos_confidence", getter=pos_confidence)


def entity_confidence(ent: Span) -> float | None:
    """RETURNS (Optional[float]): `ent._.confidence`, whoever registered it; None if nobody did, or
    set it."""
    value = ent._.confidence if Span.has_extension("confidence") else None
    return None if value is None else float(value)


def pos_confidence(token: Token) -> float | None:
    """RETURNS (Optional[float]): How sure the pipeline is of a token's part of speech."""
    values = token.doc.user_data.get(_POS)
    # Tokens may have been merged or split since.
    if values is None or len(values) != len(token.doc):
        return None
    return float(values[token.i])
