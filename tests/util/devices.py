"""The CPU and a GPU, as commands number them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import pytest
import spacy
import torch
from thinc.api import use_ops
from thinc.backends import get_array_ops

CPU = -1
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
DEVICES = [
    pytest.param(CPU, id="cpu"),
    pytest.param(0, id="cuda", marks=[pytest.mark.gpu, needs_gpu]),
]


def check_thinc() -> None:
    """Skip the test if torch has a GPU and thinc has not."""
    from thinc.util import has_cupy_gpu

    if not has_cupy_gpu:
        pytest.skip("thinc computes on a GPU by CuPy, which is not installed here")


@contextmanager
def on(device: int) -> Iterator[None]:
    """Pipelines that are made inside are on a device."""
    with use_ops("numpy" if device == CPU else "cupy"):
        if device != CPU:
            spacy.require_gpu(device)
        yield


def to_numpy(array: Any) -> numpy.ndarray:
    """RETURNS: A copy on the CPU."""
    if isinstance(array, torch.Tensor):
        return array.detach().float().cpu().numpy().copy()
    return numpy.array(get_array_ops(array).to_numpy(array))
