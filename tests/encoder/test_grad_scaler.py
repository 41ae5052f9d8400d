"""Half floats scale gradients; what is accumulated for one step must be what it is without that."""

from collections.abc import Sequence

import pytest
import torch
from pipelines import MORE_TEXTS, STOCK, TEXTS, Bench, bench
from thinc.api import PyTorchGradScaler
from torch import Tensor

SCALE = 2.0**16


class CpuGradScaler(PyTorchGradScaler):
    """thinc's own scales tensors of a GPU alone."""

    def _scale_tensor(self, tensor: Tensor, scale_per_device: object, inplace: bool) -> Tensor:
        return tensor.mul_(self._scale) if inplace else tensor * self._scale


def scaled(b: Bench) -> CpuGradScaler:
    """RETURNS: What the encoder's gradients are scaled by from now on."""
    scaler = CpuGradScaler(enabled=True, init_scale=SCALE)
    b.nlp.get_pipe("transformer").model.shim._grad_scaler = scaler  # type: ignore[attr-defined]
    return scaler


@pytest.mark.parametrize("batches", [[TEXTS], [TEXTS, MORE_TEXTS, TEXTS]])
@pytest.mark.parametrize("heads", [{"a": "mix"}, {"a": "attention", "b": STOCK}])
def test_accumulated_gradients_are_those_without_scaling(
    bert: str, batches: list[Sequence[str]], heads: dict[str, str]
) -> None:
    # With two listeners the first batch alone has two backward passes: see `GradientLedger`.
    b = bench(bert, heads)
    scaled(b)
    for texts in batches:
        b.update(texts)
    b.nlp.get_pipe("transformer").model.ledger.close()  # type: ignore[attr-defined]
    b.assert_same(*batches)


def test_another_loss_adds_its_gradient_to_those_that_wait(bert: str) -> None:
    b = bench(bert, {"a": "mix"})
    model = b.nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    weight = b.encoder.get_parameter("encoder.layer.0.output.dense.weight")

    def gradient() -> Tensor:
        b.encoder.zero_grad()
        b.update(TEXTS)
        model.ledger.close()
        model.shim.backward((weight**2).sum())
        b.update(MORE_TEXTS)
        model.ledger.close()
        assert weight.grad is not None
        return weight.grad.clone()

    expected = gradient()
    scaled(b)
    torch.testing.assert_close(gradient(), expected, atol=1e-5, rtol=1e-4)


def test_a_step_is_left_out_if_any_batch_of_it_is_out_of_range(bert: str) -> None:
    b = bench(bert, {"a": "mix"})
    scaler = scaled(b)
    before = [parameter.detach().clone() for parameter in b.encoder.parameters()]
    optimizer = b.nlp.resume_training()
    b.update(TEXTS)
    shim = b.nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    next(p for p in b.encoder.parameters() if p.grad is not None).grad[0] = torch.inf
    b.update(MORE_TEXTS)
    shim.finish_update(optimizer)
    for parameter, known in zip(b.encoder.parameters(), before, strict=True):
        assert torch.equal(parameter, known)
        assert parameter.grad is None or not parameter.grad.any()
    # The next one is made, with half the scale.
    assert float(scaler._scale) == SCALE / 2
    b.update(TEXTS)
    shim.finish_update(optimizer)
    moved = [
        not torch.equal(parameter, known)
        for parameter, known in zip(b.encoder.parameters(), before, strict=True)
    ]
    assert sum(moved) > 60
