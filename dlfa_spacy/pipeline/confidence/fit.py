"""Scales from annotated texts of the source language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline import Morphologizer, Tagger
from spacy.tokens import Doc
from spacy.util import minibatch

from ...corpora.bare import bare_doc
from ...metrics.calibration import Calibration
from .component import Confidence
from .scaling import (
    ANY,
    Scale,
    class_slope,
    fit_labels,
    fit_line,
    fit_temperature,
    scale_of,
    shares_of_groups,
    sigmoid,
)
from .scores import (
    Floats,
    category_logits,
    entity_logits,
    groups,
    is_exclusive,
    is_ner,
    is_tagger,
    label_names,
    tag_logits,
)

_BATCH = 64
# Rows of scores that are kept of a tagger; a temperature needs no more.
_MOST_TOKENS = 50_000


@dataclass
class Fitted:
    """What was fitted for one component.

    component (str): Its name.
    scales (Dict[str, Scale]): By label, see `fit_labels`.
    before, after (Calibration): Its predictions on the same texts.
    """

    component: str
    scales: dict[str, Scale]
    before: Calibration
    after: Calibration


def calibrate(
    nlp: Language,
    golds: Iterable[Doc],
    component: Confidence,
    on_doc: Callable[[], None] | None = None,
    *,
    texts: str = "",
) -> list[Fitted]:
    """Fit the scales of a pipeline's `dlfa_confidence`, which keeps them.

    nlp (Language): The pipeline.
    golds (Iterable[Doc]): Annotated texts, which nothing was trained on. They are given with their
        tokens.
    component (Confidence): The component.
    on_doc (Optional[Callable[[], None]]): Called for each text.
    texts (str): What they are called. Saved pipelines say what was fitted on what.
    RETURNS (List[Fitted]): One for each component that the texts have annotation for.
    RAISES (ValueError): They have none for any.
    """
    events = [_events(name, pipe, component) for name, pipe in component.pipes]
    # What comes after it may clean the Docs of what the scores are read from.
    later = nlp.pipe_names[nlp.pipe_names.index(component.name) :]
    with nlp.select_pipes(disable=later):
        for batch in minibatch(golds, _BATCH):
            docs = list(nlp.pipe(bare_doc(nlp.vocab, gold) for gold in batch))
            for one in events:
                one.add(docs, batch)
            if on_doc is not None:
                for _ in docs:
                    on_doc()
    found = [one.fitted() for one in events if one.n]
    if not found:
        raise ValueError(
            f"The texts: found no annotation for {[name for name, _ in component.pipes]}, expected "
            "some. Fix: give it the dev set of the source language."
        )
    for fitted in found:
        component.scales[fitted.component] = fitted.scales
        component.fitted_on[fitted.component] = {"texts": texts, "n": fitted.after.n}
    return found


class _Entities:
    """Predicted entities, right if extent and label are."""

    def __init__(self, name: str, ner: Any, beam_width: int):
        self.name, self.ner, self.beam_width = name, ner, beam_width
        self.rows: list[tuple[float, bool, str]] = []

    @property
    def n(self) -> int:
        return len(self.rows)

    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None:
        scored = entity_logits(self.ner, docs, self.beam_width)
        for gold, found in zip(golds, scored, strict=True):
            if gold.has_annotation("ENT_IOB"):
                right = {(ent.start, ent.end, ent.label_) for ent in gold.ents}
                self.rows += [
                    (logit, (ent.start, ent.end, ent.label_) in right, ent.label_)
                    for ent, logit in found
                ]

    def fitted(self) -> Fitted:
        logits = numpy.array([row[0] for row in self.rows])
        correct = numpy.array([row[1] for row in self.rows])
        labels = numpy.array([row[2] for row in self.rows])
        found = fit_labels(logits, correct, labels)
        own = numpy.array([scale_of(found, label) for label in labels])
        return Fitted(
            self.name,
            found,
            _counted(sigmoid(logits), correct),
            _counted(sigmoid(logits / own[:, 0] + own[:, 1]), correct),
        )


class _Classes:
    """Tokens or texts of which one class holds; labels of one group are the same class."""

    def __init__(
        self,
        name: str,
        same: NDArray[numpy.int64],
        read: Callable[[Sequence[Doc], Sequence[Doc]], tuple[Floats, NDArray[numpy.int64]]],
    ):
        self.name, self.same, self.read = name, same, read
        self.logits: list[Floats] = []
        self.gold: list[NDArray[numpy.int64]] = []
        self.n = 0

    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None:
        if self.n >= _MOST_TOKENS:
            return
        logits, gold = self.read(docs, golds)
        known = gold >= 0
        self.logits.append(logits[known])
        self.gold.append(gold[known])
        self.n += int(known.sum())

    def fitted(self) -> Fitted:
        logits, gold = numpy.concatenate(self.logits), numpy.concatenate(self.gold)
        temperature = fit_temperature(class_slope(logits, self.same == self.same[gold][:, None]))

        def counted(at: float) -> Calibration:
            chosen, sure = shares_of_groups(logits / at, self.same)
            return _counted(sure, chosen == self.same[gold])

        return Fitted(self.name, {ANY: Scale(temperature)}, counted(1.0), counted(temperature))


class _Labels:
    """Categories that each hold or not."""

    def __init__(self, name: str, textcat: Any):
        self.name, self.textcat = name, textcat
        self.rows: list[tuple[float, bool]] = []

    @property
    def n(self) -> int:
        return len(self.rows)

    def add(self, docs: Sequence[Doc], golds: Sequence[Doc]) -> None:
        labels = list(self.textcat.labels)
        for row, gold in zip(category_logits(self.textcat, docs), golds, strict=True):
            if gold.cats:
                self.rows += [
                    (logit, gold.cats.get(label, 0.0) >= 0.5)
                    for label, logit in zip(labels, row.tolist(), strict=True)
                ]

    def fitted(self) -> Fitted:
        logits = numpy.array([row[0] for row in self.rows])
        holds = numpy.array([row[1] for row in self.rows])
        scale = fit_line(logits, holds)

        def counted(scale: Scale) -> Calibration:
            # Of what is said, which may be that it does not hold.
            shares = sigmoid(scale.apply(logits))
            return _counted(numpy.maximum(shares, 1 - shares), (shares >= 0.5) == holds)

        return Fitted(self.name, {ANY: scale}, counted(Scale()), counted(scale))


def _events(name: str, pipe: Any, component: Confidence) -> _Entities | _Classes | _Labels:
    if is_ner(pipe):
        return _Entities(name, pipe, component.beam_width)
    if is_tagger(pipe):
        return _Classes(name, groups(label_names(pipe)), _TagReader(pipe))
    if is_exclusive(pipe):
        return _Classes(name, numpy.arange(len(pipe.labels)), _CategoryReader(pipe))
    return _Labels(name, pipe)


class _TagReader:
    """Scores of tokens, and the number of a label that is right; -1 where there is none."""

    def __init__(self, tagger: Tagger):
        self.tagger = tagger
        names = label_names(tagger)
        self.numbers = dict(zip(names, groups(names).tolist(), strict=True))

    def __call__(
        self, docs: Sequence[Doc], golds: Sequence[Doc]
    ) -> tuple[Floats, NDArray[numpy.int64]]:
        logits = numpy.concatenate(tag_logits(self.tagger, docs))
        names = [name for doc in golds for name in self._gold(doc)]
        return logits, numpy.array([self.numbers.get(name, -1) for name in names], dtype="int64")

    def _gold(self, doc: Doc) -> list[str]:
        if isinstance(self.tagger, Morphologizer):
            return [token.pos_ for token in doc]
        # A corpus of parts of speech has them in either place.
        return [token.tag_ or token.pos_ for token in doc]


class _CategoryReader:
    """Scores of texts, and the number of the category that holds; -1 where there is not one."""

    def __init__(self, textcat: Any):
        self.textcat = textcat

    def __call__(
        self, docs: Sequence[Doc], golds: Sequence[Doc]
    ) -> tuple[Floats, NDArray[numpy.int64]]:
        labels = list(self.textcat.labels)
        gold = []
        for doc in golds:
            holding = [label for label, value in doc.cats.items() if value >= 0.5]
            one = holding[0] if len(holding) == 1 else None
            gold.append(labels.index(one) if one in labels else -1)
        return category_logits(self.textcat, docs), numpy.array(gold, dtype="int64")


def _counted(confidence: Floats, correct: NDArray[numpy.bool_]) -> Calibration:
    counted = Calibration()
    counted.add(confidence, correct)
    return counted
