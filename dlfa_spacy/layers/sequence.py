"""One vector per Doc, from the aggregated wordpieces that a listener reads."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ints1d
from transformers.utils import ModelOutput

from ..encoder.batch import window_lengths
from ..encoder.model import TransformerModel
from ..pairs import separator_token
from ..types import IntArray
from .listener import TransformerListener

CLS = "cls"
MEAN = "mean"
PAIR = "pair"


def read_sequence(
    tok2vec: Model[list[Doc], list[Floats2d]], sequence: str
) -> Model[list[Doc], Floats2d]:
    """Reduce the wordpieces of each Doc to one vector.

    tok2vec (Model): A dlfa_spacy listener, or the component's own encoder. Everything in it is run
        except the pooling to tokens, its last layer.
    sequence (str): "cls", the first wordpiece of a window (the mean over the windows of a long
        Doc); "mean", the mean of all wordpieces, special tokens included (in overlapping windows
        some count twice); or "pair", u, v, |u - v| and u * v, with u and v the means of the two
        texts of a pair without special tokens (Conneau et al. 2017, InferSent, section 3.1). A Doc
        that is no pair has zeros for v.
    RETURNS (Model[List[Doc], Floats2d]): `(B, E)`, of a pair `(B, 4E)`. An empty Doc gets zeros.
    """
    return Model(
        "read-sequence", forward, init=init, layers=[tok2vec], attrs={"sequence": sequence}
    )


def encoder_read(tok2vec: Model) -> TransformerModel | None:
    """RETURNS (Optional[TransformerModel]): The encoder that a tok2vec block reads, if there is one
    yet: its own, or that of the component it listens to."""
    for node in tok2vec.walk():
        if isinstance(node, TransformerModel):
            return node
        if isinstance(node, TransformerListener):
            return cast(TransformerModel | None, node.encoder)
    return None


def init(model: Model[list[Doc], Floats2d], X: Any = None, Y: Any = None) -> None:
    data = X
    for layer in _readers(model):
        layer.initialize(X=data)
        if data is not None:
            data = layer.predict(data)


def forward(
    model: Model[list[Doc], Floats2d], docs: Sequence[Doc], is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Any]]:
    ops, xp = model.ops, model.ops.xp
    data: Any = docs
    callbacks = []
    for layer in _readers(model):
        data, callback = layer(data, is_train)
        callbacks.append(callback)
    full = [d for d in data if _rows(d)]
    sequence = model.attrs["sequence"]
    if not full:
        width = _width(model) * (4 if sequence == PAIR else 1)
        return ops.alloc2f(len(data), width), lambda d_vectors: list(docs)
    pieces = xp.concatenate([_pieces(d) for d in full])  # (N, E)
    # Of each vector that is a mean: the rows of each Doc in it.
    reads: list[tuple[Any, list[int]]] = [(slice(None), [_rows(d) for d in data])]
    if sequence == PAIR:
        reads = _sides(docs, data)
    elif sequence == CLS:
        reads = [_first_rows(data)]
    chosen = [(rows, ops.asarray1i(counts)) for rows, counts in reads]
    means = [_mean(ops, pieces[rows], counts) for rows, counts in chosen]
    vectors, split = _compare(ops, *means) if sequence == PAIR else (means[0], _alone)

    def backprop(d_vectors: Floats2d) -> Any:
        d_pieces = ops.alloc2f(*pieces.shape)
        for (rows, counts), d_mean in zip(chosen, split(d_vectors), strict=True):
            if counts.any():
                # No row is twice in one mean.
                d_pieces[rows] += ops.backprop_reduce_mean(d_mean, counts)
        ends = numpy.cumsum([_rows(d) for d in full])
        parts = xp.split(d_pieces, ends[:-1])
        d_data: Any = [_gradient(d, part) for d, part in zip(full, parts, strict=True)]
        for callback in reversed(callbacks):
            d_data = callback(d_data)
        return d_data

    return vectors, backprop


def _mean(ops: Ops, rows: Floats2d, counts: Ints1d) -> Floats2d:
    """RETURNS (Floats2d): `(B, E)`; thinc's own means want one row at least."""
    return ops.reduce_mean(rows, counts) if len(rows) else ops.alloc2f(len(counts), rows.shape[1])


def _alone(d_vectors: Floats2d) -> tuple[Floats2d]:
    return (d_vectors,)


def _compare(
    ops: Ops, u: Floats2d, v: Floats2d
) -> tuple[Floats2d, Callable[[Floats2d], tuple[Floats2d, Floats2d]]]:
    """RETURNS: `(B, 4E)` u, v, |u - v|, u * v, and the way back to u and v."""
    difference = u - v
    vectors = ops.xp.concatenate([u, v, abs(difference), u * v], axis=1)

    def split(d_vectors: Floats2d) -> tuple[Floats2d, Floats2d]:
        d_u, d_v, d_distance, d_product = ops.xp.split(d_vectors, 4, axis=1)
        d_difference = d_distance * ops.xp.sign(difference)
        return d_u + d_difference + d_product * v, d_v - d_difference + d_product * u

    return vectors, split


def _first_rows(data: Sequence[TransformerData]) -> tuple[Any, list[int]]:
    """RETURNS (Tuple[IntArray, List[int]]): The first row of every window, and how many each Doc
    has."""
    lengths = [window_lengths(d) if _rows(d) else numpy.zeros(0, dtype="int64") for d in data]
    windows = numpy.concatenate(lengths)
    return numpy.cumsum(windows) - windows, [len(x) for x in lengths]


def _sides(docs: Sequence[Doc], data: Sequence[TransformerData]) -> list[tuple[Any, list[int]]]:
    """RETURNS (List[Tuple[IntArray, List[int]]]): For the first texts, and for the second, the rows
    of their tokens and how many each Doc has."""
    sides: list[tuple[list[IntArray], list[int]]] = [([], []), ([], [])]
    begin = 0
    for doc, d in zip(docs, data, strict=True):
        place = separator_token(doc)
        first = doc[: len(doc) if place is None else place]
        second = doc[len(doc) if place is None else place + 1 :]
        aligned, ends = _aligned(d)
        for (rows, counts), text in zip(sides, (first, second), strict=True):
            # A wordpiece of two tokens is a row of both.
            own = numpy.unique(aligned[ends[text.start] : ends[text.end]])
            rows.append(own + begin)
            counts.append(len(own))
        begin += _rows(d)
    return [(numpy.concatenate(rows), counts) for rows, counts in sides]


def _aligned(data: TransformerData) -> tuple[IntArray, IntArray]:
    """RETURNS (Tuple[IntArray, IntArray]): The rows of all tokens, and where those of each token
    begin in them; the end last."""
    lengths = numpy.asarray(data.align.lengths, dtype="int64")
    rows = numpy.asarray(data.align.dataXd, dtype="int64").reshape(-1)
    return rows, numpy.concatenate([[0], numpy.cumsum(lengths)])


def _readers(model: Model) -> list[Model]:
    """All but the pooling, which is looked up again each time: `replace_listeners` changes them."""
    return model.layers[0].layers[:-1]


def _width(model: Model) -> int:
    for node in model.walk():
        if isinstance(node, TransformerListener | TransformerModel):
            # Not the listener's own has_dim, which denies the width so as to be told it again.
            return int(node.get_dim("nO")) if Model.has_dim(node, "nO") else 0
    return 0


def _rows(data: TransformerData) -> int:
    vectors = data.model_output.get("last_hidden_state")
    return 0 if vectors is None else vectors.size // vectors.shape[-1]


def _pieces(data: TransformerData) -> Floats2d:
    vectors = data.model_output["last_hidden_state"]
    return cast(Floats2d, vectors.reshape(-1, vectors.shape[-1]))


def _gradient(data: TransformerData, d_pieces: Any) -> TransformerData:
    output = ModelOutput(last_hidden_state=d_pieces[None])
    return TransformerData(WordpieceBatch.empty(), output, data.align)
