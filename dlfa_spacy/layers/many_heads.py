"""Several classifiers of one vector that are kept from being the same one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from thinc.api import Model, Ops
from thinc.types import Floats2d, Floats3d

Head = Model[Floats2d, Floats2d]


def many_heads(heads: list[Head], orthogonality: float) -> Head:
    """The mean of what several heads predict. Each of them is trained by its own loss, of which the
    mean is taken, and weights of one class are pushed apart:

        L = mean_h CE(p_h, y) + orthogonality x sum_c sum_{h != k} |cos(W_hc, W_kc)|

    heads (List[Model[Floats2d, Floats2d]]): Each ends in a softmax, or in a logistic function for
        each class, and has one layer with weights "W" `(nO, nI)`.
    orthogonality (float): Weight of the overlap; 0 leaves it out.
    RETURNS (Model[Floats2d, Floats2d]): `(B, nI)` -> `(B, nO)`. Its gradient is what spaCy's text
        classifiers hand over: the prediction minus the target, 0 for a class that is not annotated.

    Source: Malkiel & Wolf 2021 (Maximal Multiverse Learning), of which the abstract could be read;
    weak heads are not taken out during training as there.
    """
    return Model(
        "many-heads",
        _forward,
        init=_init,
        layers=heads,
        dims={"nO": None, "nI": None},
        attrs={"orthogonality": orthogonality},
    )


def overlap(ops: Ops, weights: Floats3d) -> tuple[float, Floats3d]:
    """How far heads are from being orthogonal.

    ops (Ops): Of the device the weights are on.
    weights (Floats3d): `(H, nO, nI)`.
    RETURNS (Tuple[float, Floats3d]): The sum over classes and ordered pairs of heads of the
        cosines, without signs; and its gradient.
    """
    xp: Any = ops.xp
    norms = xp.sqrt((weights**2).sum(axis=2, keepdims=True)).clip(1e-12)
    unit = weights / norms
    cosines = xp.einsum("hci,kci->chk", unit, unit)
    cosines *= 1 - xp.eye(len(weights), dtype=weights.dtype)
    # Both orders of a pair change with either of the two.
    d_unit = 2 * xp.einsum("chk,kci->hci", xp.sign(cosines), unit)
    along = (d_unit * unit).sum(axis=2, keepdims=True)
    return float(xp.abs(cosines).sum()), (d_unit - along * unit) / norms


def output_layer(head: Head) -> Head:
    """RETURNS (Model[Floats2d, Floats2d]): The layer of a head that has its weights."""
    return next(node for node in head.walk() if node.has_param("W") is not False)


def _init(model: Head, X: Any = None, Y: Any = None) -> None:
    for head in model.layers:
        layer = output_layer(head)
        if model.has_dim("nO") and not layer.has_dim("nO"):
            layer.set_dim("nO", model.get_dim("nO"))
        head.initialize(X=X, Y=Y)
    for name in ("nO", "nI"):
        model.set_dim(name, output_layer(model.layers[0]).get_dim(name))


def _forward(
    model: Head, X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    found = [head(X, is_train) for head in model.layers]
    share = 1 / len(found)
    Y = share * cast(Floats2d, sum(own for own, _ in found))

    def backprop(dY: Floats2d) -> Floats2d:
        _push_apart(model)
        # The target is Y - dY, that of all heads alike.
        parts = [back(share * (own - Y + dY) * (dY != 0)) for own, back in found]
        return cast(Floats2d, sum(parts))

    return Y, backprop


def _push_apart(model: Head) -> None:
    weight = model.attrs["orthogonality"]
    if weight:
        layers = [output_layer(head) for head in model.layers]
        stacked: Any = model.ops.xp.stack([layer.get_param("W") for layer in layers])
        for layer, gradient in zip(layers, overlap(model.ops, stacked)[1], strict=True):
            layer.inc_grad("W", weight * gradient)
