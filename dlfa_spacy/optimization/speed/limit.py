"""The limit: the encoder and nothing else over the same wordpieces, in every way worth trying."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy
import torch
from spacy.tokens import Doc
from torch import Tensor, nn

from ...encoder.model import TransformerModel
from ...encoder.run.packed_rows import packed_layers, runs_packed

BARE = "bare forward"
PADDED = (8, 16, 32)
# Wordpieces in one forward pass where a batch has no fixed number of windows.
BUDGET = 1024
GPU_BUDGET = 16384

Windows = Sequence[Sequence[int]]


def wordpieces(encoder: TransformerModel, docs: Sequence[Doc]) -> list[list[int]]:
    """RETURNS (List[List[int]]): The wordpieces of each window, as our encoder reads them."""
    windows = encoder.segment(docs)
    ends = numpy.cumsum(windows.lengths)
    return [part.tolist() for part in numpy.split(windows.ids, ends[:-1])]


def bare_forwards(model: nn.Module, windows: Windows) -> dict[str, Callable[[], None]]:
    """List the ways to run an encoder over windows.

    model (Module): A Hugging Face encoder, in evaluation mode.
    windows (Windows): The wordpieces of each window.
    RETURNS (Dict[str, Callable]): Name -> what runs the encoder over all windows once. All begin
        with `BARE`; the fastest of them is the limit.
    """
    ordered = sorted(windows, key=len)
    budget = BUDGET if _device(model).type == "cpu" else GPU_BUDGET
    equal = list(_equal(ordered, budget))
    found: dict[str, Callable[[], None]] = {
        f"{BARE}, equal lengths": functools.partial(_run, model, equal)
    }
    for size in PADDED:
        batches = [ordered[i : i + size] for i in range(0, len(ordered), size)]
        found[f"{BARE}, padded by {size}"] = functools.partial(_run, model, batches)
    if runs_packed(model):
        packs = list(_packs(ordered, budget))
        found[f"{BARE}, packed"] = functools.partial(_run_packed, model, packs)
    else:
        # Where only kernels are left, as on a GPU: full batches that have been made before.
        ready = [_tensors(model, batch) for batch in _packs(ordered, budget)]
        found[f"{BARE}, full batches"] = functools.partial(_run_ready, model, ready)
    return found


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _run(model: nn.Module, batches: Sequence[Windows]) -> None:
    _run_ready(model, (_tensors(model, batch) for batch in batches))


def _run_ready(model: nn.Module, batches: Iterable[dict[str, Tensor]]) -> None:
    with torch.inference_mode():
        for batch in batches:
            model(**batch)


def _tensors(model: nn.Module, batch: Windows) -> dict[str, Tensor]:
    device, longest = _device(model), len(batch[-1])
    padded = [list(row) + [0] * (longest - len(row)) for row in batch]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in batch]
    return {
        "input_ids": torch.tensor(padded, device=device),
        "attention_mask": torch.tensor(mask, device=device),
    }


def _run_packed(model: nn.Module, packs: Sequence[Windows]) -> None:
    last = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    with torch.inference_mode():
        for pack in packs:
            ids = numpy.fromiter(itertools.chain.from_iterable(pack), dtype="int64")
            lengths = numpy.array([len(row) for row in pack])
            packed_layers(model, ids, None, lengths, [last])


def _equal(ordered: Windows, budget: int) -> Iterator[Windows]:
    """YIELDS (Windows): Windows of one length, as many as the budget allows."""
    for length, same in itertools.groupby(ordered, key=len):
        rows = list(same)
        step = max(1, budget // length)
        for i in range(0, len(rows), step):
            yield rows[i : i + step]


def _packs(ordered: Windows, budget: int) -> Iterator[Windows]:
    """YIELDS (Windows): Windows one after the other, up to the budget."""
    pack: list[Sequence[int]] = []
    size = 0
    for row in ordered:
        if pack and size + len(row) > budget:
            yield pack
            pack, size = [], 0
        pack.append(row)
        size += len(row)
    if pack:
        yield pack
