"""ScalarMix, LayerAttention, MeanLayers and LastLayer in plain PyTorch."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from dlfa_spacy.aggregators import (
    DoubleLayerFusion,
    LastLayer,
    LayerAttention,
    MeanLayers,
    ScalarMix,
)
from dlfa_spacy.aggregators.layer_dropout import dropped_layers
from dlfa_spacy.types import LayerStates

LENGTHS = torch.tensor([3, 2])
DEPTH = 4


def random_states(depth: int = DEPTH, width: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(depth + 1, 5, width, generator=generator, dtype=torch.float64)


def one_hot(size: int, index: int) -> Tensor:
    # So far above the rest that a softmax in float64 is exactly 0 and 1.
    return torch.zeros(size, dtype=torch.float64).index_fill(0, torch.tensor(index), 1e4)


class TestScalarMix:
    @pytest.mark.parametrize("layer", range(DEPTH + 1))
    def test_all_weight_on_a_layer_gives_exactly_that_layer(self, layer):
        module = ScalarMix(DEPTH).double().eval()
        module.logits.data = one_hot(DEPTH + 1, layer)
        assert torch.equal(module(random_states(), LENGTHS), random_states()[layer])

    def test_zero_weights_give_the_mean(self):
        module = ScalarMix(DEPTH).double().eval()
        torch.testing.assert_close(module(random_states(), LENGTHS), random_states().mean(0))
        assert module.layer_weights().tolist() == pytest.approx([1 / 5] * 5)

    def test_weights_are_a_softmax_times_gamma(self):
        module = ScalarMix(2, dropout=0.0).double()
        module.logits.data = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
        module.gamma.data.fill_(3.0)
        golden = [0.244728, 0.665241, 0.090031]
        assert module.layer_weights().tolist() == pytest.approx(golden, abs=1e-6)
        states = random_states(2)
        expected = 3.0 * sum(w * h for w, h in zip(module.layer_weights(), states, strict=True))
        torch.testing.assert_close(module(states, LENGTHS), expected)

    def test_without_embeddings_layer_zero_does_not_take_part(self):
        module = ScalarMix(DEPTH, embeddings=False).double().eval()
        assert module.needs(DEPTH) == [1, 2, 3, 4]
        assert module.layer_weights().tolist() == pytest.approx([0] + [1 / 4] * 4)
        torch.testing.assert_close(module(random_states(), LENGTHS), random_states()[1:].mean(0))

    def test_normalised_states_have_no_scale_of_their_own(self):
        module = ScalarMix(DEPTH, norm=True).double().eval()
        states = random_states()
        scaled = states * torch.arange(1, DEPTH + 2)[:, None, None] + 5
        output = module(scaled, LENGTHS)
        torch.testing.assert_close(output, module(states, LENGTHS), rtol=1e-4, atol=1e-4)
        centred = states - states.mean(-1, keepdim=True)
        expected = (centred / (states.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()).mean(0)
        torch.testing.assert_close(module(states, LENGTHS), expected)

    def test_last_bias_starts_near_the_last_layer(self):
        weights = ScalarMix(DEPTH, last_bias=5.0).layer_weights()
        assert weights[-1] == pytest.approx(math.exp(5) / (math.exp(5) + 4))

    def test_dropout_is_off_at_prediction(self):
        module = ScalarMix(DEPTH, dropout=0.9).double()
        module.eval()
        outputs = {tuple(module(random_states(), LENGTHS).flatten().tolist()) for _ in range(20)}
        assert len(outputs) == 1
        module.train()
        outputs = {tuple(module(random_states(), LENGTHS).flatten().tolist()) for _ in range(20)}
        assert len(outputs) > 1

    def test_layers_are_dropped_as_often_as_stated_and_never_all(self):
        module = ScalarMix(2, dropout=0.9).double().train()
        torch.manual_seed(1)
        patterns = torch.stack(
            [dropped_layers(len(module.logits), module.dropout, module.logits) for _ in range(4000)]
        )
        assert not patterns.all(dim=1).any()
        # All three fall with 0.9 ** 3; then one of them, each as likely, is kept.
        expected = 0.9 - 0.9**3 / 3
        assert patterns.mean(dim=0).tolist() == pytest.approx([expected] * 3, abs=0.03)

    def test_expectation_under_dropout_is_the_sum_over_all_patterns(self):
        p, states = 0.3, random_states(2)
        module = ScalarMix(2, dropout=p).double().train()
        module.logits.data = torch.tensor([0.0, 1.0, -1.0], dtype=torch.float64)
        expected = torch.zeros_like(states[0])
        for kept in itertools.product([0.0, 1.0], repeat=3):
            chance = math.prod(1 - p if k else p for k in kept)
            masks = [kept] if any(kept) else [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
            for mask in masks:
                weights = module.logits.detach().exp() * torch.tensor(mask)
                mix = torch.einsum("s,sne->ne", weights / weights.sum(), states)
                expected += chance / len(masks) * mix
        torch.manual_seed(2)
        with torch.no_grad():
            found = torch.stack([module(states, LENGTHS) for _ in range(6000)]).mean(0)
        torch.testing.assert_close(found, expected, rtol=0, atol=0.05)

    def test_gradients_follow_the_formula(self):
        module = ScalarMix(DEPTH, dropout=0.0).double()
        module.logits.data = torch.randn(DEPTH + 1, dtype=torch.float64)
        module.gamma.data.fill_(1.7)
        states = random_states().requires_grad_()
        output = module(states, LENGTHS)
        d_output = torch.randn_like(output)
        output.backward(d_output)
        weights, gamma = module.layer_weights(), 1.7
        for layer in range(DEPTH + 1):
            expected = gamma * weights[layer] * d_output
            torch.testing.assert_close(states.grad[layer], expected)
            difference = states[layer] - output / gamma
            d_weight = (d_output * gamma * weights[layer] * difference).sum()
            torch.testing.assert_close(module.logits.grad[layer], d_weight)
        torch.testing.assert_close(module.gamma.grad[0], (d_output * output / gamma).sum())

    def test_a_dropped_layer_gets_no_gradient_and_no_nan(self):
        module = ScalarMix(1, dropout=0.99).double().train()
        states = random_states(1).requires_grad_()
        module(states, LENGTHS).sum().backward()
        norms = states.grad.flatten(1).norm(dim=1)
        assert sorted((norms > 0).tolist()) == [False, True]
        assert torch.isfinite(module.logits.grad).all()


class TestLayerAttention:
    @pytest.mark.parametrize("train", [False, True])
    def test_untrained_it_is_the_last_layer_bit_for_bit(self, train):
        module = LayerAttention(8, DEPTH).train(train)
        states = random_states().float()
        assert torch.equal(module(states, LENGTHS), states[-1])
        assert module.layer_weights().tolist() == [0, 0, 0, 0, 1]

    @pytest.mark.parametrize("layer", range(DEPTH + 1))
    def test_all_bias_on_a_layer_gives_exactly_that_layer(self, layer):
        module = LayerAttention(8, DEPTH, residual=False).double().eval()
        module.bias.data = one_hot(DEPTH + 1, layer)
        assert torch.equal(module(random_states(), LENGTHS), random_states()[layer])

    def test_a_query_of_zero_gives_the_mean(self):
        module = LayerAttention(8, DEPTH, residual=False).double().eval()
        module.query.data.zero_()
        torch.testing.assert_close(module(random_states(), LENGTHS), random_states().mean(0))

    @pytest.mark.parametrize("residual", [False, True])
    def test_equals_the_formula_written_with_a_projection(self, residual):
        module = LayerAttention(8, DEPTH, key_width=3, residual=residual).double().eval()
        module.bias.data = torch.randn(DEPTH + 1, dtype=torch.float64)
        if residual:
            module.beta.data.fill_(0.6)
        states = random_states()
        expected = torch.empty_like(states[0])
        weights = torch.empty(5, DEPTH + 1, dtype=torch.float64)
        for t in range(5):
            keys = [module.key @ states[layer, t] for layer in range(DEPTH + 1)]
            scores = torch.stack([module.query @ key / math.sqrt(3) for key in keys])
            weights[t] = torch.softmax(scores + module.bias, dim=0)
            mix = sum(weights[t, layer] * states[layer, t] for layer in range(DEPTH + 1))
            expected[t] = mix if not residual else 0.4 * states[-1, t] + 0.6 * mix
        torch.testing.assert_close(module(states, LENGTHS), expected)
        torch.testing.assert_close(module.attention(states), weights)
        found = module.layer_weights(states)
        assert found.sum().item() == pytest.approx(1.0)
        if not residual:
            torch.testing.assert_close(found, weights.mean(0))

    def test_gradients_equal_finite_differences(self):
        module = LayerAttention(8, DEPTH, key_width=3, dropout=0.0).double()
        module.beta.data.fill_(0.5)
        states = random_states()
        assert torch.autograd.gradcheck(lambda s: module(s, LENGTHS), states.requires_grad_())
        for parameter in module.parameters():
            assert torch.autograd.gradcheck(lambda p: module(states.detach(), LENGTHS), parameter)

    def test_beta_and_only_beta_learns_at_the_first_step(self):
        module = LayerAttention(8, DEPTH, dropout=0.0).double()
        module(random_states(), LENGTHS).pow(2).sum().backward()
        assert module.beta.grad.abs() > 0
        assert module.query.grad.abs().sum() == module.bias.grad.abs().sum() == 0

    def test_dropout_is_off_at_prediction(self):
        module = LayerAttention(8, DEPTH, residual=False, dropout=0.5).double()
        for train, count in ((False, 1), (True, 2)):
            module.train(train)
            found = {tuple(module(random_states(), LENGTHS)[0].tolist()) for _ in range(20)}
            assert len(found) >= count and (train or len(found) == 1)

    def test_a_dropped_layer_has_no_weight_and_one_is_always_left(self):
        module = LayerAttention(8, 1, residual=False, dropout=0.9).double().train()
        for _ in range(100):
            weights = module.attention(random_states(1))
            assert torch.isfinite(weights).all()
            torch.testing.assert_close(weights.sum(1), torch.ones(5, dtype=torch.float64))
            # The same layers for all tokens of a batch.
            assert len({tuple(row) for row in (weights > 0).tolist()}) == 1


class TestMeanLayers:
    def test_is_the_mean_of_the_layers_named(self):
        states = random_states(12)
        output = MeanLayers([-3, 0, 12])(states, LENGTHS)
        torch.testing.assert_close(output, (states[10] + states[0] + states[12]) / 3)
        assert MeanLayers([-3, 0, 12]).needs(12) == [0, 10, 12]

    def test_one_layer_is_that_layer_exactly(self):
        assert torch.equal(MeanLayers([2])(random_states(), LENGTHS), random_states()[2])

    def test_no_layer_is_an_error(self):
        with pytest.raises(ValueError, match=r"\[aggregation.layers\] = \[\]"):
            MeanLayers([])


def test_last_layer_is_the_last_layer():
    assert torch.equal(LastLayer()(random_states(), LENGTHS), random_states()[-1])
    assert LastLayer().needs(12) == [12]
    assert not list(LastLayer().parameters())


MODULES = {
    "last": lambda: LastLayer(),
    "mean": lambda: MeanLayers([1, -2]),
    "mix": lambda: ScalarMix(DEPTH),
    "mix_norm": lambda: ScalarMix(DEPTH, norm=True, embeddings=False),
    "attention": lambda: LayerAttention(8, DEPTH, residual=False),
    "residual_attention": lambda: LayerAttention(8, DEPTH),
    "fusion": lambda: DoubleLayerFusion(8, 1, 2),
    "sigmoid_fusion": lambda: DoubleLayerFusion(8, 1, 2, "sigmoid"),
    "layer_norm_fusion": lambda: DoubleLayerFusion(8, 1, 2, norm="layer"),
    "control": lambda: DoubleLayerFusion(8, "control", 2),
}


@pytest.fixture(params=sorted(MODULES))
def module(request: pytest.FixtureRequest) -> nn.Module:
    built: nn.Module = MODULES[request.param]().double()
    generator = torch.Generator().manual_seed(5)
    for parameter in built.parameters():
        parameter.data = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
    return built


def test_the_layers_it_needs_are_all_it_reads(module):
    states = random_states()
    module.eval()
    needed = {layer: states[layer] for layer in module.needs(DEPTH)}
    found = module(LayerStates(needed, DEPTH), LENGTHS)
    assert torch.equal(found, module(states, LENGTHS))
    for layer in needed:
        others = {k: v for k, v in needed.items() if k != layer}
        with pytest.raises(ValueError, match=f"Layer {layer} was read but not computed"):
            module(LayerStates(others, DEPTH), LENGTHS)


@pytest.mark.parametrize("train", [False, True])
def test_every_layer_it_needs_gets_a_gradient_and_no_other(module, train):
    states = random_states().requires_grad_()
    if hasattr(module, "dropout"):
        module.dropout = 0.0
    module.train(train)(states, LENGTHS).pow(3).sum().backward()
    touched = states.grad.abs().flatten(1).sum(1) > 0
    assert touched.nonzero().flatten().tolist() == module.needs(DEPTH)


def test_windows_do_not_see_each_other_at_prediction(module):
    module.eval()
    generator = torch.Generator().manual_seed(9)
    windows = [
        torch.randn(DEPTH + 1, n, 8, generator=generator, dtype=torch.float64) for n in (4, 1, 6)
    ]
    alone = [module(w, torch.tensor([w.shape[1]])) for w in windows]
    for order in ([0, 1, 2], [2, 1, 0], [1, 1]):
        batch = torch.cat([windows[i] for i in order], dim=1)
        output = module(batch, torch.tensor([windows[i].shape[1] for i in order]))
        expected = torch.cat([alone[i] for i in order])
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["mix", "attention"])
def test_another_depth_than_the_weights_is_an_error(name):
    with pytest.raises(ValueError, match="of 4 layers, but the encoder has 6"):
        MODULES[name]().needs(6)


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 2])
@pytest.mark.parametrize(
    "build", [lambda p: ScalarMix(4, p), lambda p: LayerAttention(8, 4, dropout=p)]
)
def test_an_impossible_dropout_is_an_error(build, dropout):
    with pytest.raises(ValueError, match=rf"\[aggregation.dropout\] = {dropout}"):
        build(dropout)


def test_states_are_indexed_like_a_tensor():
    states = random_states()
    packed = LayerStates(dict(enumerate(states)), DEPTH)
    assert len(packed) == len(states)
    assert torch.equal(torch.stack(list(packed)), states)
    assert torch.equal(packed[-1], states[-1]) and torch.equal(packed[-5], states[0])
    for layer in (5, -6):
        with pytest.raises(IndexError):
            packed[layer]
