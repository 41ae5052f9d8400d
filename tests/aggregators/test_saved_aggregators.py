"""Aggregators inside thinc: made late, saved with their settings, trained at their own rate."""

import pytest
import srsly
import torch
from thinc.api import SGD, Model

from dlfa_spacy.aggregators.double_layer_fusion import build_double_layer_fusion_v1
from dlfa_spacy.aggregators.last_layer import build_last_layer_v1
from dlfa_spacy.aggregators.layer_attention import build_layer_attention_v1
from dlfa_spacy.aggregators.mean_layers import build_mean_layers_v1
from dlfa_spacy.aggregators.model import aggregator_shim
from dlfa_spacy.aggregators.scalar_mix import build_scalar_mix_v1
from dlfa_spacy.types import LayerStates

BUILDERS = {
    "last": lambda: build_last_layer_v1(),
    "mean": lambda: build_mean_layers_v1([1, -1]),
    "mix": lambda: build_scalar_mix_v1(),
    "attention": lambda: build_layer_attention_v1(),
    "fusion": lambda: build_double_layer_fusion_v1(1),
    "control": lambda: build_double_layer_fusion_v1("control", gate="sigmoid"),
}
LENGTHS = torch.tensor([3, 2])


def inputs() -> tuple[LayerStates, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(5, 5, 8, generator=generator)
    return LayerStates(dict(enumerate(states)), 4), LENGTHS


def build(name: str, steps: int = 0) -> Model:
    model = BUILDERS[name]()
    aggregator_shim(model).build(8, 4)
    optimizer = SGD(0.01)
    for _ in range(steps):
        vectors, backprop = model(inputs(), True)
        backprop(2 * (vectors.detach() - 1))
        model.finish_update(optimizer)
    return model


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_bytes_hold_everything_that_training_changed(name):
    model = build(name, steps=5)
    loaded = BUILDERS[name]().from_bytes(model.to_bytes())
    assert torch.equal(loaded.predict(inputs()), model.predict(inputs()))
    own = aggregator_shim(model).module.state_dict()
    other = aggregator_shim(loaded).module.state_dict()
    assert own.keys() == other.keys()
    assert all(torch.equal(own[key], other[key]) for key in own)
    if name in ("mix", "attention", "fusion", "control"):
        assert not torch.equal(build(name).predict(inputs()), model.predict(inputs()))


def test_running_statistics_survive():
    model = build("fusion", steps=3)
    norm = aggregator_shim(model).module.local_branch[1]
    assert int(norm.num_batches_tracked) == 3 and norm.running_mean.abs().sum() > 0
    loaded = BUILDERS["fusion"]().from_bytes(model.to_bytes())
    found = aggregator_shim(loaded).module.local_branch[1]
    assert torch.equal(found.running_mean, norm.running_mean)
    assert torch.equal(found.running_var, norm.running_var)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_a_copy_is_equal_and_independent(name):
    model = build(name, steps=2)
    copied = model.copy()
    before = copied.predict(inputs())
    assert torch.equal(before, model.predict(inputs()))
    vectors, backprop = model(inputs(), True)
    backprop(torch.ones_like(vectors))
    model.finish_update(SGD(1.0))
    assert torch.equal(copied.predict(inputs()), before)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_gradients_of_layers_come_back_by_number(name):
    model = build(name)
    states, lengths = inputs()
    needed = aggregator_shim(model).module.needs(4)
    torch.manual_seed(3)
    vectors, backprop = model((states.select(needed), lengths), True)
    d_layers = backprop(torch.ones_like(vectors))
    assert set(d_layers) <= set(needed)
    assert all(d.shape == (5, 8) for d in d_layers.values())
    assert not any(states[layer].requires_grad for layer in needed)


def test_bytes_made_with_other_settings_are_refused():
    saved = build("fusion").to_bytes()
    for other in (
        build_double_layer_fusion_v1(2),
        build_double_layer_fusion_v1(1, gate="sigmoid"),
        build_double_layer_fusion_v1(1, norm="layer"),
        build_double_layer_fusion_v1(1, reduction=2),
    ):
        with pytest.raises(ValueError, match="but the weights were saved with"):
            other.from_bytes(saved)


def damaged(change: str) -> bytes:
    shim = aggregator_shim(build("fusion"))
    message = srsly.msgpack_loads(shim.to_bytes())
    if change == "cut":
        return shim.to_bytes()[:-20]
    if change == "cut weights":
        message["state"] = message["state"][:-7]
    elif change == "no weights":
        del message["state"]
    elif change == "other width":
        message["width"] = 16
    elif change == "not a message":
        return b"\x01"
    return srsly.msgpack_dumps(message)


@pytest.mark.parametrize(
    "change", ["cut", "cut weights", "no weights", "other width", "not a message"]
)
def test_damaged_bytes_are_an_error_and_change_nothing(change):
    shim = aggregator_shim(build("fusion", steps=1))
    before = shim.to_bytes()
    with pytest.raises(ValueError, match="(?s)saved weights.*Fix: "):
        shim.from_bytes(damaged(change))
    assert shim.to_bytes() == before


def test_an_encoder_of_another_shape_is_refused():
    shim = aggregator_shim(build("mix"))
    shim.build(8, 4)
    for width, depth in ((8, 6), (16, 4)):
        with pytest.raises(ValueError, match="was trained for an encoder of width 8 with 4 layers"):
            shim.build(width, depth)


def test_a_layer_the_encoder_does_not_have_is_refused_before_training():
    with pytest.raises(ValueError, match=r"\[aggregation.layer\] = 9, but this encoder has 4"):
        aggregator_shim(build_double_layer_fusion_v1(9)).build(8, 4)
    with pytest.raises(ValueError, match=r"\[aggregation.layers\] = -7"):
        aggregator_shim(build_mean_layers_v1([0, -7])).build(8, 4)


@pytest.mark.parametrize("scale", [0.0, 1.0, 50.0])
def test_the_learning_rate_is_scaled(scale):
    moved = []
    for factor in (1.0, scale):
        model = build_scalar_mix_v1(dropout=0.0, lr_scale=factor)
        aggregator_shim(model).build(8, 4)
        vectors, backprop = model(inputs(), True)
        backprop(torch.ones_like(vectors))
        model.finish_update(SGD(1e-4))
        moved.append(aggregator_shim(model).module.gamma.item() - 1.0)
    assert moved[1] == pytest.approx(scale * moved[0], rel=1e-2)
    assert moved[0] != 0


def test_a_negative_learning_rate_is_refused():
    with pytest.raises(ValueError, match=r"\[aggregation.lr_scale\] = -1"):
        build_scalar_mix_v1(lr_scale=-1)


def test_weights_are_asked_for_before_they_exist():
    with pytest.raises(ValueError, match="nlp.initialize"):
        build_scalar_mix_v1().predict(inputs())
