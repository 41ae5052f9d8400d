"""Attention within windows that lie one after the other, without padding."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ...types import IntArray
from .bfloat16 import has_bfloat16
from .upload import upload

# (query, key, value, dropout) -> what each row takes from its own window, `(n, heads, d)` each
Attend = Callable[[Tensor, Tensor, Tensor, float], Tensor]
# (query, key, value) -> what each row takes, `(windows, heads, length, d)` each
Mix = Callable[[Tensor, Tensor, Tensor], Tensor]
# Windows of one length: how many, and the length.
Stretch = tuple[int, int]
# Flash attention reads heads of a multiple of this width.
FLASH_WIDTH = 8


def attention_within(lengths: IntArray, device: torch.device) -> Attend:
    """Attention of each row over the rows of its window.

    lengths (Ints1d): `(w,)` rows of the windows. On a CPU those of one length are taken together
        where they follow each other.
    device (torch.device): A CPU attends by length; a GPU, for which many small kernels cost more
        than padding, in one kernel that knows where windows begin.
    RETURNS (Callable): See `Attend`.
    """
    if device.type == "cpu":
        return functools.partial(by_length, stretches_of(lengths))
    offsets = upload(numpy.concatenate([[0], numpy.cumsum(lengths)]), device)
    return functools.partial(at_once, offsets, int(lengths.min()), int(lengths.max()))


@functools.cache
def attends(device: torch.device) -> bool:
    """RETURNS (bool): Whether a device has kernels for `attention_within`. Which of them a GPU and
    a build of torch have is asked by trying."""
    if device.type != "cuda":
        return device.type == "cpu"
    kinds = [torch.float32, *([torch.bfloat16] if has_bfloat16("cuda") else [])]
    attend = attention_within(numpy.array([1, 2]), device)
    try:
        for kind in kinds:
            rows = torch.zeros((3, 1, FLASH_WIDTH), dtype=kind, device=device)
            attend(rows, rows, rows, 0.0)
    except (RuntimeError, TypeError):
        return False
    return True


def stretches_of(lengths: IntArray) -> list[Stretch]:
    """RETURNS (List[Stretch]): Windows that follow each other and have one length."""
    same = itertools.groupby(lengths.tolist())
    return [(len(list(group)), length) for length, group in same]


def by_length(
    stretches: Sequence[Stretch], query: Tensor, key: Tensor, value: Tensor, dropout: float
) -> Tensor:
    """`(n, heads, d)` each; windows of one length are a batch without padding."""
    mix = functools.partial(scaled_dot_product_attention, dropout_p=dropout)
    return mixed_by_length(stretches, (query, key, value), mix)


def mixed_by_length(
    stretches: Sequence[Stretch], projected: tuple[Tensor, Tensor, Tensor], mix: Mix
) -> Tensor:
    """Attention of a kind of its own.

    stretches (Sequence[Stretch]): Of the windows.
    projected (Tuple[Tensor, Tensor, Tensor]): Queries, keys and values, `(n, heads, d)` each.
    mix (Callable): See `Mix`; called for all windows of one length together.
    RETURNS (Tensor): `(n, heads, d)`.
    """
    sizes = [count * length for count, length in stretches]
    parts = zip(*(rows.split(sizes) for rows in projected), strict=True)
    mixed = []
    for (count, length), own in zip(stretches, parts, strict=True):
        # (count * length, heads, d) -> (count, heads, length, d)
        query, key, value = (part.unflatten(0, (count, length)).transpose(1, 2) for part in own)
        mixed.append(mix(query, key, value).transpose(1, 2).flatten(0, 1))
    return mixed[0] if len(mixed) == 1 else torch.cat(mixed)


def at_once(
    offsets: Tensor,
    shortest: int,
    longest: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    dropout: float,
) -> Tensor:
    """`(n, heads, d)` each, and `(w + 1,)` the first row of each window, and the end of the last.
    Lengths are known, so that nothing has to be asked of the device."""
    if query.dtype == torch.bfloat16 and not dropout and query.shape[-1] % FLASH_WIDTH == 0:
        flash = _flash()
        if flash is not None:
            starts = offsets.to(torch.int32)
            mixed: Tensor = flash(query, key, value, starts, starts, longest, longest)
            return mixed
    # Takes fp32, dropout and every width, and costs Python more.
    q, k, v = (
        torch.nested.nested_tensor_from_jagged(
            rows, offsets, min_seqlen=shortest, max_seqlen=longest
        ).transpose(1, 2)
        for rows in (query, key, value)
    )
    context: Tensor = scaled_dot_product_attention(q, k, v, dropout_p=dropout)
    return context.transpose(1, 2).values()


@functools.cache
def _flash() -> Callable[..., Any] | None:
    """RETURNS (Optional[Callable]): Flash attention over windows, if this torch has it."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    return varlen_attn if torch.backends.cuda.is_flash_attention_available() else None
