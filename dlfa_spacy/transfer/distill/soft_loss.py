"""The loss of a component on probabilities, in the place of its own for as long as it trains."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language
from spacy.pipeline import SpanCategorizer, Tagger, TextCategorizer
from spacy.training import Example

from .soft_labels import INDEPENDENT, kind_of, label_names, soft_labels

Floats = NDArray[numpy.float32]


def train_on_soft_labels(
    nlp: Language,
    names: Sequence[str],
    gold: float = 0.0,
    smoothing: dict[str, float] | None = None,
) -> None:
    """Have components trained on the probabilities that `score_docs` left on the Docs. Nothing of
    it is saved with the pipeline: the components are the stock ones.

        L = (1 - gold) CE(q, p) + gold CE(onehot(y), p)

    nlp (Language): The student, initialized.
    names (Sequence[str]): The components.
    gold (float): Weight of the annotation, from 0 to 1; 1 leaves the component's own loss.
    smoothing (Optional[Dict[str, float]]): By component, the control: instead of q its most
        probable label with 1 - e, and e spread evenly over all.
    RAISES (ValueError): A component cannot be trained so.
    """
    for name in names:
        pipe: Any = nlp.get_pipe(name)
        if kind_of(pipe) is None:
            raise ValueError(
                f'components = "{name}": a {type(pipe).__name__} has no scores by label. Expected '
                "textcat, tagger, morphologizer or spancat. Fix: train it on hard labels."
            )
        if gold < 1:
            rate = (smoothing or {}).get(name)
            pipe.get_loss = functools.partial(soft_loss, pipe, name, gold, rate)


def soft_loss(
    pipe: Any,
    name: str,
    gold: float,
    smoothing: float | None,
    examples: Sequence[Example],
    scores: Any,
) -> tuple[float, Any]:
    """The loss of a component, with the signature of `get_loss` once the rest is bound.

    RETURNS (Tuple[float, Any]): What the component's own loss would be of, sums or means of
        squares, and the gradient of cross entropy with respect to the logits, p - q: softmax and
        sigmoid pass it through.
    """
    tables = [_targets(pipe, name, example, gold, smoothing) for example in examples]
    ops = pipe.model.ops
    if isinstance(pipe, Tagger):
        difference = [p - ops.asarray2f(q) for p, (_, q) in zip(scores, tables, strict=True)]
        return float(sum((d**2).sum() for d in difference)), difference
    if isinstance(pipe, SpanCategorizer):
        spans, p = scores
        d = p - ops.asarray2f(_of_spans(ops, spans, p, tables))
        return float((d**2).sum()), d
    d = scores - ops.asarray2f(numpy.concatenate([q for _, q in tables]))
    return float((d**2).mean()), d


def entropy(table: Floats, kind: str) -> float:
    """RETURNS (float): Sum over the rows of their entropy, in nats; of independent labels the mean
    over labels."""
    p = table.astype("float64").clip(1e-30, 1.0)
    if kind == INDEPENDENT:
        other = (1 - p).clip(1e-30, 1.0)
        return float(-(p * numpy.log(p) + other * numpy.log(other)).mean(axis=1).sum())
    return float(-(p * numpy.log(p)).sum())


def smooth(table: Floats, kind: str, rate: float) -> Floats:
    """RETURNS (NDArray): `(n, K)` the most probable label of each row with 1 - rate, and rate
    spread evenly over all K; of independent labels over yes and no."""
    if kind == INDEPENDENT:
        return (1 - rate) * (table > 0.5) + numpy.float32(rate / 2)
    hard = numpy.eye(table.shape[1], dtype="float32")[table.argmax(axis=1)]
    return numpy.asarray((1 - rate) * hard + rate / table.shape[1], dtype="float32")


def matching_rate(mean_entropy: float, n_labels: int, kind: str) -> float:
    """RETURNS (float): The rate of `smooth` at which a row has this entropy, by bisection."""
    row = numpy.zeros((1, n_labels), dtype="float32")
    row[0, 0] = 1
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if entropy(smooth(row, kind, middle), kind) < mean_entropy:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _targets(
    pipe: Any, name: str, example: Example, gold: float, smoothing: float | None
) -> tuple[Any, Floats]:
    """RETURNS (Tuple[Optional[NDArray], NDArray]): Spans, and `(n, K)` in the order of the
    component's labels."""
    doc = example.reference
    found = soft_labels(doc, name)
    if found is None:
        raise ValueError(
            f'components = "{name}": a text has no probabilities of a teacher. Expected texts that '
            "dlfa distill scored. Fix: score them again with this component of the teacher."
        )
    own = label_names(pipe)
    theirs = list(found["labels"])
    if missing := [label for label in own if label not in theirs]:
        raise ValueError(
            f'components = "{name}": the teacher has no label {missing[0]!r}, only {theirs}. '
            "Expected every label of the student. Fix: initialize the student with the teacher's "
            "labels, or choose another teacher."
        )
    table = numpy.asarray(found["scores"], dtype="float32")[:, [theirs.index(x) for x in own]]
    if isinstance(pipe, Tagger) and len(table) != len(example.predicted):
        raise ValueError(
            f'components = "{name}": the teacher read {len(table)} tokens of a text, the student '
            f"reads {len(example.predicted)}. Expected the same. Fix: gold_preproc = true in the "
            "reader of the training corpus."
        )
    kind = str(kind_of(pipe))
    if smoothing is not None:
        table = smooth(table, kind, smoothing)
    if gold:
        table = (1 - gold) * table + gold * _gold(pipe, name, example, own)
    return found.get("spans"), table


def _gold(pipe: Any, name: str, example: Example, labels: Sequence[str]) -> Floats:
    """RETURNS (NDArray): `(n, K)` the annotation of a text."""
    doc = example.reference
    if isinstance(pipe, TextCategorizer) and doc.cats:
        return numpy.array([[doc.cats.get(label, 0.0) for label in labels]], dtype="float32")
    if type(pipe) is Tagger and all(token.tag_ for token in doc):
        places = {label: i for i, label in enumerate(labels)}
        return numpy.eye(len(labels), dtype="float32")[[places[token.tag_] for token in doc]]
    raise ValueError(
        f'components = "{name}": gold above 0 goes with a text classifier or a tagger, on texts '
        "that are annotated. Fix: gold = 0."
    )


def _of_spans(ops: Any, spans: Any, scores: Any, tables: Sequence[tuple[Any, Floats]]) -> Floats:
    """RETURNS (NDArray): `(n, K)` for the spans that the student suggests; one that the teacher did
    not score teaches nothing."""
    target = ops.to_numpy(scores).copy()
    places, lengths = ops.to_numpy(spans.data), ops.to_numpy(spans.lengths)
    row = 0
    for length, (theirs, table) in zip(lengths, tables, strict=True):
        known = {tuple(span): i for i, span in enumerate(numpy.asarray(theirs).tolist())}
        for place in places[row : row + length].tolist():
            i = known.get(tuple(place))
            if i is not None:
                target[row] = table[i]
            row += 1
    return target
