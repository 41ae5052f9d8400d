"""The optimizer's step on the weights of a torch module, which thinc makes at one rate for all."""

from collections.abc import Iterable
from typing import cast

from thinc.api import Optimizer, torch2xp, xp2torch
from thinc.types import FloatsXd
from torch.nn import Parameter


def step(
    owner: int,
    parameters: Iterable[tuple[str, Parameter]],
    optimizer: Optimizer,
    lr_scales: dict[str, float],
    skip: bool = False,
) -> None:
    """Update weights that have a gradient, and set their gradients to zero.

    owner (int): Id of the shim that has the module: the optimizer keeps its averages by that.
    parameters (Iterable[Tuple[str, Parameter]]): The weights by name.
    optimizer (Optimizer): thinc's optimizer.
    lr_scales (Dict[str, float]): Rate of a weight relative to the optimizer's, by its name; 1 for
        any other.
    skip (bool): Let the gradients go, without a step.
    """
    for name, parameter in parameters:
        if parameter.grad is None:
            continue
        if not skip:
            updated, _ = optimizer(
                (owner, name),
                cast(FloatsXd, torch2xp(parameter.data)),
                cast(FloatsXd, torch2xp(parameter.grad)),
                lr_scale=lr_scales.get(name, 1.0),
            )
            parameter.data = xp2torch(updated, requires_grad=True, device=parameter.device)
        parameter.grad.zero_()
