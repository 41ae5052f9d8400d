"""Attention without padding: each window attends to itself alone, by whichever kernel."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy
import pytest
import torch
from devices import needs_gpu
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoModel

from dlfa_spacy.aggregators import DoubleLayerFusion, LayerAttention, ScalarMix
from dlfa_spacy.encoder.run import attention, packed, packed_rows
from dlfa_spacy.encoder.run.attention import Attend, at_once, attends, attention_within
from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.run.packed import PackedEncoder

LENGTHS = numpy.array([1, 3, 3, 5, 9])
CPU = torch.device("cpu")


def projected(width: int = 8, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """RETURNS: Query, key and value, `(n, heads, d)` each."""
    generator = torch.Generator().manual_seed(1)
    shape = (int(LENGTHS.sum()), 2, width)
    return [torch.randn(shape, generator=generator).to(dtype) for _ in range(3)]


def alone(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One window after the other, `(n, heads, d)` each."""
    windows = zip(*(rows.split(LENGTHS.tolist()) for rows in (query, key, value)), strict=True)
    mixed = [
        scaled_dot_product_attention(*(part.transpose(0, 1) for part in window)).transpose(0, 1)
        for window in windows
    ]
    return torch.cat(mixed)


def nested() -> Attend:
    """What a GPU does, on whichever device."""
    offsets = torch.from_numpy(numpy.concatenate([[0], numpy.cumsum(LENGTHS)]))
    return lambda *given: at_once(offsets.to(given[0].device), 1, 9, *given)


@pytest.mark.parametrize("width", [8, 6])
@pytest.mark.parametrize("kind", ["by length", "at once"])
def test_each_window_attends_to_itself_alone(kind: str, width: int) -> None:
    attend = nested() if kind == "at once" else attention_within(LENGTHS, CPU)
    rows = [part.requires_grad_() for part in projected(width)]
    found, expected = attend(*rows, 0.0), alone(*rows)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(found)
    gradients = (torch.autograd.grad((out * weights).sum(), rows) for out in (found, expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


class Flash:
    """Stands for torch's kernel, with its interface."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(
        self, query: Tensor, key: Tensor, value: Tensor, *where: Any, **other: Any
    ) -> Tensor:
        starts, same, longest, as_long = where
        self.calls += 1
        assert starts.dtype == torch.int32 and starts is same and not other
        assert longest == as_long == 9 and query.dtype == torch.bfloat16
        assert starts.tolist() == [0, *numpy.cumsum(LENGTHS)]
        return alone(query, key, value)


def test_flash_attention_has_what_it_can_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    flash = Flash()
    monkeypatch.setattr(attention, "_flash", lambda: flash)
    rows = projected(dtype=torch.bfloat16)
    assert torch.equal(nested()(*rows, 0.0), alone(*rows)) and flash.calls == 1
    # It has no dropout, no fp32, and no heads of any width.
    nested()(*rows, 0.5)
    nested()(*projected(), 0.0)
    nested()(*projected(6, torch.bfloat16), 0.0)
    assert flash.calls == 1


def test_a_device_without_the_kernels_pads(bert: str) -> None:
    assert attends(CPU) and not attends(torch.device("meta"))
    model = AutoModel.from_pretrained(bert).eval().to("meta")
    with torch.no_grad():
        assert not packed_rows.runs_packed(model)


# What is asked of a GPU


class Windows:
    lengths = numpy.array([9, 2, 30, 4, 4, 17])
    ids = numpy.arange(66) % 50 + 5
    types = numpy.arange(66) % 2


def aggregate(device: str, dtype: torch.dtype) -> dict[str, Callable[..., Tensor]]:
    made = [LayerAttention(32, 4), DoubleLayerFusion(32, 2), ScalarMix(4)]
    return {str(number): module.eval().to(device, dtype) for number, module in enumerate(made)}


@pytest.mark.parametrize("pads", [False, True])
@pytest.mark.parametrize("budget", [None, 20])
def test_no_bucket_asks_its_device_for_a_number(
    bert: str, pads: bool, budget: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The device "meta" computes nothing: every number it is asked for is an error, as are rows that
    # are chosen by a mask.
    if not pads:
        pytest.importorskip("torch.nn.attention.varlen", reason="no meta device in nested tensors")
    monkeypatch.setattr(packed_rows, "attends", lambda device: not pads)
    monkeypatch.setattr(packed, "_no_autocast", lambda device: nullcontext())
    monkeypatch.setattr(torch.backends.cuda, "is_flash_attention_available", lambda: True)
    attention._flash.cache_clear()
    # The masks of other attentions than eager are made in transformers, which does ask.
    model = AutoModel.from_pretrained(bert, attn_implementation="eager").eval()
    encoder = PackedEncoder(model.to("meta", torch.bfloat16))
    with torch.no_grad():
        layers = encoder(Windows, [0, 2, 4], budget=budget)
        read = encoder(Windows, list(range(5)), aggregate("meta", torch.float32), budget)
    attention._flash.cache_clear()
    assert [rows.shape for rows in (*layers.values(), *read.values())] == [(66, 32)] * 6
    with pytest.raises(RuntimeError):
        layers[0].sum().item()


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_gpu_attends_as_a_cpu_does(dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and not has_bfloat16("cuda"):
        pytest.skip("this GPU has no bfloat16")
    device = torch.device("cuda", 0)
    assert attends(device)
    rows = [part.to(device, dtype) for part in projected()]
    with torch.no_grad():
        found = attention_within(LENGTHS, device)(*rows, 0.0)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    expected = alone(*(part.to(dtype).float() for part in projected()))
    torch.testing.assert_close(found.float().cpu(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.gpu
@needs_gpu
@pytest.mark.parametrize("mixed", [False, True])
def test_no_bucket_waits_for_the_gpu(bert: str, mixed: bool) -> None:
    encoder = PackedEncoder(AutoModel.from_pretrained(bert).eval().cuda(), mixed)
    consumers = aggregate("cuda", torch.float32)

    def run() -> None:
        with torch.no_grad():
            encoder(Windows, list(range(5)), consumers, 20)

    # What is done once, such as reserving memory, may wait.
    run()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run()
    finally:
        torch.cuda.set_sync_debug_mode("default")
