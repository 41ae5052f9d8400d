"""The optimizer's step on the weights of a torch module, which thinc makes at one rate for all.

torch's operators on lists of tensors have no public names; its own optimizers are made of them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from thinc.api import Optimizer, torch2xp, xp2torch
from thinc.types import FloatsXd
from torch import Tensor
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
    trained = [(name, weight) for name, weight in parameters if weight.grad is not None]
    if not trained:
        return
    weights = [weight for _, weight in trained]
    if not skip:
        keys = [(owner, name) for name, _ in trained]
        scales = [lr_scales.get(name, 1.0) for name, _ in trained]
        on_gpu = all(weight.is_cuda for weight in weights)
        update = adam_together if on_gpu and is_plain_adam(optimizer) else _one_by_one
        update(keys, weights, optimizer, scales)
    torch._foreach_zero_([cast(Tensor, weight.grad) for weight in weights])


def is_plain_adam(optimizer: Optimizer) -> bool:
    """RETURNS (bool): Whether `adam_together` makes the steps of an optimizer."""
    decays = bool(optimizer.L2) and not optimizer.L2_is_weight_decay
    adam = optimizer.b1 > 0 and optimizer.b2 > 0 and not optimizer.use_radam
    return adam and not decays and optimizer.averages is None


def adam_together(
    keys: Sequence[tuple[int, str]],
    weights: Sequence[Parameter],
    optimizer: Optimizer,
    lr_scales: Sequence[float],
) -> None:
    """Make the step of thinc's Adam for all weights of a module at once. thinc asks each gradient
    for its norm, and waits for the GPU to answer, two hundred times a step.

    keys (Sequence[Tuple[int, str]]): What the optimizer calls each weight. Its averages stay there.
    weights (Sequence[Parameter]): The weights, with gradients, changed in place.
    optimizer (Optimizer): See `is_plain_adam`.
    lr_scales (Sequence[float]): Rate of each weight relative to the optimizer's.
    """
    gradients = [cast(Tensor, weight.grad) for weight in weights]
    values = [weight.data for weight in weights]
    if optimizer.grad_clip:
        norms = torch.stack(torch._foreach_norm(gradients))
        factors = optimizer.grad_clip / norms.clamp(min=optimizer.grad_clip)
        torch._foreach_mul_(gradients, list(factors.unbind()))
    rates = []
    for key, scale in zip(keys, lr_scales, strict=True):
        optimizer.nr_update[key] += 1
        done = optimizer.nr_update[key]
        bias = (1.0 - optimizer.b2**done) ** 0.5 / (1.0 - optimizer.b1**done)
        rates.append(-scale * optimizer.learn_rate * bias)
    means = _averages(optimizer.mom1, keys, values)
    squares = _averages(optimizer.mom2, keys, values)
    torch._foreach_mul_(means, optimizer.b1)
    torch._foreach_add_(means, gradients, alpha=1.0 - optimizer.b1)
    torch._foreach_mul_(squares, optimizer.b2)
    torch._foreach_addcmul_(squares, gradients, gradients, 1.0 - optimizer.b2)
    divisors = torch._foreach_sqrt(squares)
    torch._foreach_add_(divisors, optimizer.eps)
    torch._foreach_addcdiv_(values, means, divisors, rates)
    if optimizer.L2:
        decay = optimizer.learn_rate * optimizer.L2
        torch._foreach_mul_(values, [1.0 - scale * decay for scale in lr_scales])


def _one_by_one(
    keys: Sequence[tuple[int, str]],
    weights: Sequence[Parameter],
    optimizer: Optimizer,
    lr_scales: Sequence[float],
) -> None:
    for key, weight, scale in zip(keys, weights, lr_scales, strict=True):
        updated, _ = optimizer(
            key,
            cast(FloatsXd, torch2xp(weight.data)),
            cast(FloatsXd, torch2xp(cast(Tensor, weight.grad))),
            lr_scale=scale,
        )
        weight.data = xp2torch(updated, requires_grad=True, device=weight.device)


def _averages(
    kept: dict[Any, Any], keys: Sequence[tuple[int, str]], values: Sequence[Tensor]
) -> list[Tensor]:
    """RETURNS (List[Tensor]): What an optimizer keeps for some weights: its own memory, which thinc
    holds as a row."""
    found = []
    for key, value in zip(keys, values, strict=True):
        if key not in kept:
            kept[key] = torch2xp(torch.zeros(value.numel(), device=value.device))
        found.append(xp2torch(kept[key], device=value.device).view(value.shape))
    return found
