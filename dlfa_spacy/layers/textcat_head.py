"""What a text classifier has between the Doc's vector and its classes."""

from collections.abc import Callable
from typing import Any, cast

import numpy
from thinc.api import Model
from thinc.types import Floats1d, Floats2d
from thinc.util import get_width

# As BERT's own initialization.
INITIAL_SCALE = 0.02


def dense_tanh() -> Model[Floats2d, Floats2d]:
    """The pooler of BERT (Devlin et al. 2019): `tanh(W x + b)`, `(B, E)` -> `(B, E)`."""
    return Model(
        "pooler",
        _pool,
        init=_init_pooler,
        dims={"nO": None, "nI": None},
        params={"W": None, "b": None},
    )


def _init_pooler(model: Model[Floats2d, Floats2d], X: Any = None, Y: Any = None) -> None:
    if X is not None:
        width = get_width(X)
        model.set_dim("nI", width)
        model.set_dim("nO", width)
    shape = (model.get_dim("nO"), model.get_dim("nI"))
    weights = numpy.random.normal(scale=INITIAL_SCALE, size=shape).astype("f")
    model.set_param("W", model.ops.asarray2f(cast(Any, weights)))
    model.set_param("b", model.ops.alloc1f(shape[0]))


def _pool(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    W = cast(Floats2d, model.get_param("W"))
    Y = model.ops.xp.tanh(model.ops.affine(X, W, cast(Floats1d, model.get_param("b"))))

    def backprop(dY: Floats2d) -> Floats2d:
        d_dense = dY * (1 - Y**2)
        model.inc_grad("b", d_dense.sum(axis=0))
        model.inc_grad("W", model.ops.gemm(d_dense, X, trans1=True))
        return model.ops.gemm(d_dense, W)

    return Y, backprop


def fixed_dropout(rate: float) -> Model[Floats2d, Floats2d]:
    """Dropout during training, at the rate of the config. thinc's own layer would take over
    `[training] dropout` at every update."""
    return Model("fixed-dropout", _drop, attrs={"rate": rate})


def _drop(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    rate = model.attrs["rate"]
    if not is_train or rate == 0.0:
        return X, lambda dY: dY
    mask = cast(Floats2d, model.ops.get_dropout_mask(X.shape, rate))
    return X * mask, lambda dY: dY * mask
