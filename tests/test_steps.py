"""The step that a GPU makes for all weights at once is thinc's own."""

import pytest
import torch
from thinc.api import Adam, Optimizer, RAdam
from torch import nn

from dlfa_spacy.steps import adam_together, is_plain_adam, step


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 3))


def set_gradients(made: nn.Module, number: int) -> None:
    generator = torch.Generator().manual_seed(number)
    for parameter in made.parameters():
        # Some are longer than the clip of 1, some are not.
        size = 10.0 ** (number % 3 - 1)
        parameter.grad = size * torch.randn(parameter.shape, generator=generator)


@pytest.mark.parametrize("L2", [0.0, 0.01])
@pytest.mark.parametrize("grad_clip", [0.0, 1.0])
def test_all_weights_at_once_get_the_step_of_thinc(L2: float, grad_clip: float) -> None:
    settings = {"L2": L2, "grad_clip": grad_clip, "use_averages": False}
    one_by_one, together = Adam(0.01, **settings), Adam(0.01, **settings)
    theirs, ours = module(), module()
    names = [name for name, _ in ours.named_parameters()]
    scales = {name: 0.1 if name.startswith("0.") else 1.0 for name in names}
    for number in range(6):
        set_gradients(theirs, number)
        set_gradients(ours, number)
        step(7, theirs.named_parameters(), one_by_one, scales)
        adam_together(
            [(7, name) for name in names],
            list(ours.parameters()),
            together,
            [scales[name] for name in names],
        )
    for (name, expected), found in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=5e-5, atol=1e-6, msg=name)
        key = (7, name)
        assert together.nr_update[key] == one_by_one.nr_update[key] == 6
        for kept, known in ((together.mom1, one_by_one.mom1), (together.mom2, one_by_one.mom2)):
            assert kept[key].shape == known[key].shape
            torch.testing.assert_close(kept[key], known[key], rtol=5e-5, atol=1e-8)


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(0.01, use_averages=True),
        Adam(0.01, use_averages=False, L2=0.1, L2_is_weight_decay=False),
        RAdam(0.01, use_averages=False),
        Adam(0.01, use_averages=False, beta1=0.0, beta2=0.0),
    ],
)
def test_other_optimizers_step_as_they_do(optimizer: Optimizer) -> None:
    assert not is_plain_adam(optimizer)


def test_a_skipped_step_lets_the_gradients_go() -> None:
    made = module()
    before = [parameter.detach().clone() for parameter in made.parameters()]
    set_gradients(made, 1)
    step(7, made.named_parameters(), Adam(0.01), {}, skip=True)
    for parameter, known in zip(made.parameters(), before, strict=True):
        assert torch.equal(parameter, known)
        assert parameter.grad is not None
        assert not parameter.grad.any()
