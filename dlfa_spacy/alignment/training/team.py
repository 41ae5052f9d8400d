"""Several processes, one training: each encodes its share of a batch, and all see the whole of it.

What is exchanged are hidden states. So every loss, whatever its negatives, masks, means or queues,
is computed on the whole batch in every process, and is the same as in one process. Heads and
projections are computed in every process too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

# Floats that are averaged in one message.
_BUCKET = 16_000_000

Run = Callable[[Tensor, Tensor], Sequence[Tensor]]


def join_team() -> torch.device:
    """Meet the processes that `accelerate launch` started, if it did.

    RETURNS (device): What this process computes on.
    RAISES (ImportError): There are several, and accelerate is not installed.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ImportError(
            "Several processes train together through accelerate, which is not installed. Fix: "
            'pip install "dlfa_spacy[accelerate]", or start one process.'
        ) from error
    device: torch.device = PartialState(cpu=not torch.cuda.is_available()).device
    return device


def leave_team() -> None:
    """Wait for the others, and go on alone."""
    if team_size() > 1:
        dist.barrier()
        dist.destroy_process_group()


def team_size() -> int:
    """RETURNS (int): Processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def team_rank() -> int:
    """RETURNS (int): The number of this process, from 0. The first one writes and speaks."""
    return dist.get_rank() if team_size() > 1 else 0


def from_first(value: Any) -> Any:
    """value (Any): Counts in the first process. RETURNS (Any): It, in every process."""
    if team_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def check_alike(what: str) -> None:
    """what (str): Says what is trained on what.
    RAISES (ValueError): It is not the same in all processes."""
    if from_first(what) != what:
        raise ValueError(
            f"Process {team_rank()} trains on other text, or with other settings, than process 0: "
            f"found {what}. Expected the same in all. Fix: the same command and the same files on "
            "every machine."
        )


@torch.no_grad()
def begin_alike(module: nn.Module) -> None:
    """Give every process the weights of the first."""
    if team_size() > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)


def shared(run: Run, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """Encode a batch together.

    run (Callable[[Tensor, Tensor], Sequence[Tensor]]): From ids and mask `(b, T)` to states
        `(b, T, E)`.
    ids, mask (Tensor): `(B, T)`, the whole batch, the same in all processes.
    RETURNS (Tuple[Tensor, ...]): States `(B, T, E)` of the whole batch.
    """
    size = team_size()
    if size == 1:
        return tuple(run(ids, mask))
    each = -(-len(ids) // size)
    # Shares are equal: the last ones may read the last row again, which is cut off below.
    rows = torch.arange(each, device=ids.device) + team_rank() * each
    rows = rows.clamp(max=len(ids) - 1)
    return tuple(_Gather.apply(part.float())[: len(ids)] for part in run(ids[rows], mask[rows]))


class _Gather(torch.autograd.Function):
    """The rows of all processes, one process after the other.

    Every process has the loss of the whole batch, so that the gradient of its own rows is complete.
    It is multiplied by the number of processes, because `average_gradients` divides by it: what is
    computed in every process (heads, projections, an embedding tied to a head) is the same in all
    of them, and its mean is right without that.
    """

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(team_size())]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        parts = gradients[0].chunk(team_size())
        return parts[team_rank()] * team_size()


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Make every gradient the mean over the processes.

    parameters (Iterable[Parameter]): In the same order everywhere; those without a gradient have
        none in any process.
    """
    if team_size() == 1:
        return
    bucket: list[Tensor] = []
    for parameter in parameters:
        if parameter.grad is not None:
            bucket.append(parameter.grad)
            if sum(gradient.numel() for gradient in bucket) > _BUCKET:
                _average(bucket)
                bucket = []
    _average(bucket)


def _average(gradients: list[Tensor]) -> None:
    if not gradients:
        return
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= team_size()
    for gradient, part in zip(
        gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))
