"""DLFA/AIF against golden values and against the paper's form with convolutions and padding."""

import json
import subprocess
import sys

import pytest
import torch
from golden import fill
from torch import Tensor, nn

from dlfa_spacy.aggregators import DoubleLayerFusion
from dlfa_spacy.types import LayerStates

LENGTHS = torch.tensor([3, 2])


def golden_states() -> Tensor:
    """`(2, 5, 4)`: layer 0 is the lower one, layer 1 the last."""
    return torch.stack([fill((5, 4), 1.0, 0.3), fill((5, 4), 0.8, 1.7)])


def golden_module(gate: str) -> DoubleLayerFusion:
    module = DoubleLayerFusion(4, layer=0, reduction=2, gate=gate).double()
    for branch, seed in ((module.local_branch, 1.0), (module.global_branch, 2.0)):
        branch[0].weight.data = fill((2, 4), 0.5, seed)
        branch[0].bias.data = fill((2,), 0.1, seed + 1)
        branch[3].weight.data = fill((4, 2), 0.5, seed + 2)
        branch[3].bias.data = fill((4,), 0.1, seed + 3)
    return module


# The gate S and the output of the first wordpiece, and the sum of the output. Made once with an
# independent implementation in float64.
GOLDEN_S = {
    False: [0.462270, 0.371585, 0.587014, 0.575661],
    True: [0.874455, 0.066179, 0.754141, 0.898429],
}
GOLDEN_FIRST = {
    "product": [0.668047, 0.492683, -0.313390, -0.976960],
    "sigmoid": [0.563208, 0.572901, 0.262687, -0.430253],
}
GOLDEN_SUM = {
    ("product", False): 1.508559,
    ("sigmoid", False): 0.692098,
    ("product", True): 1.449144,
    ("sigmoid", True): 0.195033,
}


@pytest.mark.parametrize("gate", ["product", "sigmoid"])
@pytest.mark.parametrize("train", [False, True])
def test_golden_values(gate, train):
    module = golden_module(gate).train(train)
    output = module(golden_states(), LENGTHS)
    assert output.sum().item() == pytest.approx(GOLDEN_SUM[gate, train], abs=2e-6)
    if not train:
        assert output[0].tolist() == pytest.approx(GOLDEN_FIRST[gate], abs=1e-6)
    found = golden_module(gate).train(train).gate(golden_states(), LENGTHS)
    assert found.attention[0].tolist() == pytest.approx(GOLDEN_S[train], abs=1e-6)


@pytest.mark.parametrize(
    "width, reduction, count",
    [(768, 4, 595_584), (768, 8, 300_096), (768, 16, 152_352), (768, 2, 1_186_560),
     (1024, 4, 1_056_256)],
)  # fmt: skip
def test_number_of_parameters(width, reduction, count):
    module = DoubleLayerFusion(width, reduction=reduction)
    assert sum(p.numel() for p in module.parameters()) == count


def randomized(module: nn.Module) -> nn.Module:
    """Weights, affine parameters and running statistics that are nothing special."""
    generator = torch.Generator().manual_seed(3)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype) + 0.2
    return module


class PaddedReference(nn.Module):
    """The paper's figure, taken literally: (B, T, E) with padding, Conv1d of kernel 1, masks.

    Padding is kept out of the normalization and of the global mean by gathering the real positions.
    """

    def __init__(self, module: DoubleLayerFusion, width: int, bottleneck: int):
        super().__init__()
        self.gate = module.gate_kind
        self.local = self._branch(module.local_branch, width, bottleneck)
        self.globally = self._branch(module.global_branch, width, bottleneck)

    def _branch(self, source: nn.Sequential, width: int, bottleneck: int) -> nn.ModuleList:
        branch = nn.ModuleList(
            [
                nn.Conv1d(width, bottleneck, 1),
                nn.BatchNorm1d(bottleneck),
                nn.Conv1d(bottleneck, width, 1),
                nn.BatchNorm1d(width),
            ]
        ).double()
        for conv, linear in ((branch[0], source[0]), (branch[2], source[3])):
            conv.weight.data = linear.weight.data[:, :, None].clone()
            conv.bias.data = linear.bias.data.clone()
        for norm, own in ((branch[1], source[1]), (branch[3], source[4])):
            norm.load_state_dict(own.state_dict())
        return branch

    def _run(self, branch: nn.ModuleList, x: Tensor, mask: Tensor) -> Tensor:
        """x: (B, T, E) -> (B, T, E)"""
        x = branch[0](x.transpose(1, 2)).transpose(1, 2)
        x = torch.relu(self._norm(branch[1], x, mask))
        x = branch[2](x.transpose(1, 2)).transpose(1, 2)
        return self._norm(branch[3], x, mask)

    @staticmethod
    def _norm(norm: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
        output = torch.full_like(x, 1e6)
        output[mask] = norm(x[mask])
        return output

    def forward(self, lower: Tensor, last: Tensor, mask: Tensor) -> Tensor:
        mean = (lower + last) / 2
        local = self._run(self.local, mean, mask)
        weights = mask[:, :, None].double()
        summary = (mean * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True)
        globally = self._run(self.globally, summary, torch.ones(len(mask), 1, dtype=torch.bool))
        attention = torch.sigmoid(globally + local)
        weight = mean * attention if self.gate == "product" else attention
        return lower * weight + last * (1 - weight)


@pytest.mark.parametrize("gate", ["product", "sigmoid"])
@pytest.mark.parametrize("train", [False, True])
def test_equals_a_padded_reference_with_convolutions_and_masks(gate, train):
    lengths = torch.tensor([5, 1, 7, 3])
    width, bottleneck = 8, 4
    module = randomized(DoubleLayerFusion(width, 1, 2, gate).double())
    reference = PaddedReference(module, width, bottleneck)
    module.train(train), reference.train(train)
    mask = torch.arange(9) < lengths[:, None]
    padded = torch.full((4, 4, 9, width), 1e3, dtype=torch.float64)
    padded[:, mask] = torch.randn(4, int(lengths.sum()), width, dtype=torch.float64)
    states = padded[:, mask].clone().requires_grad_()
    padded.requires_grad_()
    output = module(states, lengths)
    expected = reference(padded[1], padded[-1], mask)
    torch.testing.assert_close(output, expected[mask], rtol=1e-10, atol=1e-10)
    d_output = torch.randn_like(output)
    output.backward(d_output)
    expected[mask].backward(d_output)
    torch.testing.assert_close(states.grad, padded.grad[:, mask], rtol=1e-9, atol=1e-9)
    pairs = ((module.local_branch, reference.local), (module.global_branch, reference.globally))
    for own, theirs in pairs:
        torch.testing.assert_close(own[0].weight.grad, theirs[0].weight.grad[:, :, 0])
        torch.testing.assert_close(own[4].weight.grad, theirs[3].weight.grad)
        torch.testing.assert_close(own[4].running_var, theirs[3].running_var)
        torch.testing.assert_close(own[1].running_mean, theirs[1].running_mean)


@pytest.mark.parametrize("gate", ["product", "sigmoid"])
@pytest.mark.parametrize("train", [False, True])
def test_gradients_equal_finite_differences(gate, train):
    module = randomized(golden_module(gate)).train(train)
    assert torch.autograd.gradcheck(
        lambda states: module(states, LENGTHS), golden_states().requires_grad_()
    )
    for parameter in module.parameters():
        assert torch.autograd.gradcheck(lambda p: module(golden_states(), LENGTHS), parameter)


@pytest.mark.parametrize("gate", ["product", "sigmoid"])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("train", [False, True])
def test_equal_layers_come_out_exactly(gate, norm, train):
    state = torch.randn(5, 8)
    module = randomized(DoubleLayerFusion(8, 0, 2, gate, norm)).train(train)
    assert torch.equal(module(torch.stack([state, state]), LENGTHS), state)


@pytest.mark.parametrize("gate", ["product", "sigmoid"])
@pytest.mark.parametrize("layer", [-1, 12])
def test_the_last_layer_fused_with_itself_is_the_last_layer_bit_for_bit(gate, layer):
    states = torch.randn(13, 5, 8)
    module = randomized(DoubleLayerFusion(8, layer, 2, gate))
    assert torch.equal(module(states, LENGTHS), states[12])


def test_the_sigmoid_gate_stays_between_the_layers_and_the_product_gate_does_not():
    states = 5 * torch.randn(2, 100, 8, dtype=torch.float64)
    lengths = torch.tensor([60, 40])
    low, high = states.min(0).values - 1e-12, states.max(0).values + 1e-12
    outputs = {}
    for gate in ("product", "sigmoid"):
        outputs[gate] = randomized(DoubleLayerFusion(8, 0, 2, gate).double())(states, lengths)
    assert ((outputs["sigmoid"] >= low) & (outputs["sigmoid"] <= high)).all()
    assert not ((outputs["product"] >= low) & (outputs["product"] <= high)).all()


def test_minus_three_is_layer_ten_of_twelve():
    module = randomized(DoubleLayerFusion(8, -3, 2)).eval()
    same = randomized(DoubleLayerFusion(8, 10, 2)).eval()
    assert module.needs(12) == [10, 12]
    states = torch.randn(13, 5, 8)
    assert torch.equal(module(states, LENGTHS), same(states, LENGTHS))
    only = LayerStates({10: states[10], 12: states[12]}, 12)
    assert torch.equal(module(only, LENGTHS), same(states, LENGTHS))


@pytest.mark.parametrize("layer", [-14, 13, 100])
def test_a_layer_the_encoder_does_not_have_is_an_error_that_names_it(layer):
    with pytest.raises(ValueError, match=rf"\[aggregation.layer\] = {layer}.*12 layers"):
        DoubleLayerFusion(8, layer, 2).needs(12)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
@pytest.mark.parametrize("gate", ["product", "sigmoid"])
def test_other_windows_and_their_order_change_nothing_at_prediction(gate, norm):
    module = randomized(DoubleLayerFusion(8, 0, 2, gate, norm).double()).eval()
    windows = [torch.randn(2, n, 8, dtype=torch.float64) for n in (4, 1, 6)]
    alone = [module(w, torch.tensor([w.shape[1]])) for w in windows]
    for order in ([0, 1, 2], [2, 0, 1], [1, 1, 2]):
        batch = torch.cat([windows[i] for i in order], dim=1)
        output = module(batch, torch.tensor([windows[i].shape[1] for i in order]))
        expected = torch.cat([alone[i] for i in order])
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_permuted_windows_give_permuted_outputs_in_training(norm):
    windows = [torch.randn(2, n, 8, dtype=torch.float64) for n in (4, 1, 6)]
    outputs = []
    for order in ([0, 1, 2], [2, 0, 1]):
        module = randomized(DoubleLayerFusion(8, 0, 2, norm=norm).double()).train()
        lengths = torch.tensor([windows[i].shape[1] for i in order])
        output = module(torch.cat([windows[i] for i in order], dim=1), lengths)
        parts = dict(zip(order, output.split(lengths.tolist()), strict=True))
        outputs.append(torch.cat([parts[i] for i in range(3)]))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("length", [1, 5])
def test_a_batch_of_one_window_trains_and_leaves_the_global_statistics(length):
    module = DoubleLayerFusion(8, 0, 2).train()
    before = module.global_branch[1].running_mean.clone()
    states = torch.randn(2, length, 8, requires_grad=True)
    module(states, torch.tensor([length])).sum().backward()
    assert torch.isfinite(states.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
    assert torch.equal(module.global_branch[1].running_mean, before)
    moved = not torch.equal(module.local_branch[1].running_mean, torch.zeros(4))
    assert moved == (length > 1)


def test_running_statistics_follow_the_training_batches():
    module = DoubleLayerFusion(8, 0, 2, "sigmoid").train()
    states = 3 + torch.randn(2, 40, 8)
    lengths = torch.tensor([20, 20])
    for _ in range(200):
        trained = module(states, lengths)
    predicted = module.eval()(states, lengths)
    # The running variance is the unbiased one: a factor of 40/39 (local) and 2/1 (global).
    assert torch.isfinite(predicted).all()
    hidden = module.local_branch[0](states.mean(0))
    torch.testing.assert_close(module.local_branch[1].running_mean, hidden.mean(0))
    torch.testing.assert_close(module.local_branch[1].running_var, hidden.var(0))
    assert trained.shape == predicted.shape == (40, 8)


def test_the_control_maps_the_last_layer_by_a_fixed_orthogonal_matrix():
    module = DoubleLayerFusion(16, "control", 4)
    identity = module.control.T @ module.control
    torch.testing.assert_close(identity, torch.eye(16), atol=1e-6, rtol=0)
    assert module.needs(12) == [12]
    assert "control" in module.state_dict()
    assert "control" not in dict(module.named_parameters())
    torch.manual_seed(12345)
    assert torch.equal(DoubleLayerFusion(16, "control", 4).control, module.control)
    states = torch.randn(2, 5, 16)
    mapped = torch.stack([states[1] @ module.control, states[1]])
    plain = DoubleLayerFusion(16, 0, 4)
    own = {k: v for k, v in module.state_dict().items() if k != "control"}
    plain.load_state_dict(own)
    expected = plain.eval()(mapped, LENGTHS)
    torch.testing.assert_close(module.eval()(states, LENGTHS), expected)
    assert not torch.allclose(expected, states[1])


@pytest.mark.slow
def test_the_control_is_the_same_in_another_process():
    code = (
        "import torch; torch.set_num_threads(1);"
        "from dlfa_spacy.aggregators import DoubleLayerFusion as D;"
        "print(D(16, 'control').control.double().flatten().tolist())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own = DoubleLayerFusion(16, "control").control.double().flatten().tolist()
    assert json.loads(found.stdout.strip().splitlines()[-1]) == own


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"gate": "tanh"}, 'gate. = "tanh"'),
        ({"layer": "random"}, 'layer. = "random"'),
        ({"reduction": 0}, "reduction. = 0"),
        ({"reduction": 9}, "reduction. = 9"),
        ({"norm": "group"}, 'norm. = "group"'),
    ],
)
def test_wrong_settings_are_errors_that_name_the_key(settings, message):
    with pytest.raises(ValueError, match=message):
        DoubleLayerFusion(8, **settings)


def test_no_wordpieces_no_vectors():
    states = torch.zeros(2, 0, 8)
    output = DoubleLayerFusion(8, 0, 2)(states, torch.zeros(0, dtype=torch.long))
    assert output.shape == (0, 8)
