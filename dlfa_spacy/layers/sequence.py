"""One vector per Doc, from the aggregated wordpieces that a listener reads."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import Model
from thinc.types import Floats2d
from transformers.utils import ModelOutput

from ..encoder.batch import window_lengths
from ..encoder.model import TransformerModel
from .listener import TransformerListener

CLS = "cls"
MEAN = "mean"


def read_sequence(
    tok2vec: Model[list[Doc], list[Floats2d]], sequence: str
) -> Model[list[Doc], Floats2d]:
    """Reduce the wordpieces of each Doc, special tokens included, to one vector.

    tok2vec (Model): A dlfa_spacy listener, or the component's own encoder. Everything in it is run
        except the pooling to tokens, its last layer.
    sequence (str): "cls", the first wordpiece of a window (the mean over the windows of a long
        Doc), or "mean", the mean of all wordpieces (in overlapping windows some count twice).
    RETURNS (Model[List[Doc], Floats2d]): `(B, E)`. An empty Doc gets zeros.
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
    if not full:
        return ops.alloc2f(len(data), _width(model)), lambda d_vectors: list(docs)
    rows = [_rows(d) for d in data]
    pieces = xp.concatenate([_pieces(d) for d in full])  # (N, E)
    if model.attrs["sequence"] == CLS:
        windows = numpy.concatenate([window_lengths(d) for d in full])
        index = ops.asarray1i(numpy.cumsum(windows) - windows)
        counts = ops.asarray1i([len(window_lengths(d)) if _rows(d) else 0 for d in data])
    else:
        index = None
        counts = ops.asarray1i(rows)
    vectors = ops.reduce_mean(pieces if index is None else pieces[index], counts)

    def backprop(d_vectors: Floats2d) -> Any:
        d_read = ops.backprop_reduce_mean(d_vectors, counts)
        if index is None:
            d_pieces = d_read
        else:
            d_pieces = ops.alloc2f(*pieces.shape)
            d_pieces[index] = d_read
        ends = numpy.cumsum([_rows(d) for d in full])
        parts = xp.split(d_pieces, ends[:-1])
        d_data: Any = [_gradient(d, part) for d, part in zip(full, parts, strict=True)]
        for callback in reversed(callbacks):
            d_data = callback(d_data)
        return d_data

    return vectors, backprop


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
