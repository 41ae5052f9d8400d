"""From the vectors of wordpieces to the vectors of tokens, for a whole batch at once."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy
from spacy_transformers.data_classes import TransformerData, WordpieceBatch
from thinc.api import Model, Ops
from thinc.types import Floats2d, Ragged
from transformers.utils import ModelOutput

PiecesT = list[TransformerData]


def pool_pieces(pooling: Model[Ragged, Floats2d]) -> Model[PiecesT, list[Floats2d]]:
    """Reduce the wordpieces of each token to one vector.

    pooling (Model[Ragged, Floats2d]): The reduction, such as `reduce_mean.v1`.
    RETURNS (Model[List[TransformerData], List[Floats2d]]): `(n_tokens, E)` per Doc. A token without
        wordpieces (white space) gets zeros, whatever the reduction.
    """
    return Model("pool-pieces", forward, layers=[pooling], dims={"nO": None})


def forward(
    model: Model[PiecesT, list[Floats2d]], docs: PiecesT, is_train: bool
) -> tuple[list[Floats2d], Callable[[Sequence[Floats2d]], PiecesT]]:
    pooling: Model[Ragged, Floats2d] = model.layers[0]
    ops, xp = model.ops, model.ops.xp
    arrays = [_vectors(data) for data in docs]
    full = [i for i, array in enumerate(arrays) if array is not None]
    if not full:
        width = cast(int, model.get_dim("nO")) if model.has_dim("nO") else 0
        return [ops.alloc2f(0, width) for _ in docs], lambda d_tokens: []
    parts = [cast(Floats2d, arrays[i]) for i in full]
    rows = [len(part) for part in parts]
    # A single Doc, however long, needs no copy.
    vectors = parts[0] if len(parts) == 1 else xp.concatenate(parts)
    if not model.has_dim("nO"):
        # So that a batch of empty Docs has the same width, also after loading.
        model.set_dim("nO", vectors.shape[1])
    starts = numpy.concatenate([[0], numpy.cumsum(rows)])
    index = _join(
        ops, [docs[i].align.dataXd + int(start) for i, start in zip(full, starts, strict=False)]
    )
    lengths = _join(ops, [docs[i].align.lengths for i in full])
    owned = lengths > 0
    tokens = ops.alloc2f(len(lengths), vectors.shape[1])
    backprop_pooling: Callable[[Floats2d], Ragged] | None = None
    if len(index):
        ragged = Ragged(vectors[index], lengths[owned])
        tokens[owned], backprop_pooling = pooling(ragged, is_train)
    ends = numpy.cumsum([len(data.align.lengths) for data in docs])
    outputs = cast(list[Floats2d], xp.split(tokens, ends[:-1]))

    def backprop(d_outputs: Sequence[Floats2d]) -> PiecesT:
        d_vectors = ops.alloc2f(*vectors.shape)
        if backprop_pooling is not None:
            d_tokens = xp.concatenate([d.reshape((-1, vectors.shape[1])) for d in d_outputs])
            d_rows = cast(Floats2d, backprop_pooling(d_tokens[owned]).dataXd)
            ops.scatter_add(d_vectors, index, d_rows)
        # A model saved with a stock listener's node brings that node's factor along.
        d_vectors *= model.attrs.get("grad_factor", 1.0)
        parts = xp.split(d_vectors, starts[1:-1])
        return [_gradient(docs[i], part) for i, part in zip(full, parts, strict=True)]

    return outputs, backprop


def _join(ops: Ops, arrays: Sequence[Any]) -> Any:
    """Concatenate on the CPU, where alignments are, and move once."""
    if all(isinstance(array, numpy.ndarray) for array in arrays):
        return ops.asarray(cast(Any, numpy.concatenate(arrays)))
    return ops.xp.concatenate([ops.asarray(array) for array in arrays])


def _vectors(data: TransformerData) -> Floats2d | None:
    vectors = data.model_output.get("last_hidden_state")
    if vectors is None or vectors.size == 0:
        return None
    return cast(Floats2d, vectors.reshape(-1, vectors.shape[-1]))


def _gradient(data: TransformerData, d_vectors: Any) -> TransformerData:
    return TransformerData(
        wordpieces=WordpieceBatch.empty(),
        model_output=ModelOutput(last_hidden_state=d_vectors[None]),
        align=data.align,
    )
