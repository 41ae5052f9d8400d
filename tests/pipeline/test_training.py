"""Whole updates: the step belongs to its batch, failures leave nothing, frozen means frozen."""

import copy
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import torch
from pipelines import (
    AGGREGATIONS,
    FACTORIES,
    MORE_TEXTS,
    STOCK,
    TEXTS,
    aggregator,
    bench,
    build,
    config,
    gradient_norms,
    make_examples,
)
from places import ROOT
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Adam, Config, Model, registry, warmup_linear

import dlfa_spacy

both_factories = pytest.mark.parametrize("factory", FACTORIES)


def adam() -> Adam:
    return Adam(1e-2, L2=0.0, grad_clip=0.0)


def weights(nlp: Language) -> dict[str, numpy.ndarray]:
    model: Any = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    return {n: p.detach().numpy().copy() for n, p in model.transformer.named_parameters()}


def same(a: dict[str, numpy.ndarray], b: dict[str, numpy.ndarray]) -> bool:
    return all(numpy.array_equal(a[name], b[name]) for name in a)


@both_factories
@pytest.mark.parametrize(
    "heads", [{"a": "attention"}, {"a": "product", "b": STOCK}, {"a": STOCK, "b": "mix"}]
)
def test_update_with_an_optimizer_steps_with_the_gradient_of_its_own_batch(
    bert: str, heads: dict[str, str], factory: str
) -> None:
    b = bench(bert, heads, factory)
    optimizer = adam()
    for texts in (TEXTS, MORE_TEXTS, TEXTS):
        b.copy_weights()
        before = copy.deepcopy(b.transformer)
        sent_before = optimizer_state(optimizer)
        b.update(texts, sgd=optimizer)
        b.repeat(texts)
        expected = adam_step(before, b.transformer, sent_before, b.nlp)
        found = weights(b.nlp)
        for name, array in expected.items():
            # Adam divides by the size of the gradient: where that is rounding, so is the step.
            gradient = dict(b.transformer.named_parameters())[name].grad
            if gradient is None:
                continue
            sure = gradient.abs().numpy() > 1e-4
            numpy.testing.assert_allclose(found[name][sure], array[sure], atol=2e-4, err_msg=name)


def optimizer_state(optimizer: Adam) -> Any:
    return {
        "mom1": {k: numpy.array(v) for k, v in optimizer.mom1.items()},
        "mom2": {k: numpy.array(v) for k, v in optimizer.mom2.items()},
        "nr_update": dict(optimizer.nr_update),
    }


def adam_step(
    before: torch.nn.Module, gradients: torch.nn.Module, state: Any, nlp: Language
) -> dict[str, numpy.ndarray]:
    """One step of Adam (Kingma & Ba 2015, algorithm 1) by hand."""
    shim = nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    found = {}
    for (name, parameter), (_, source) in zip(
        before.named_parameters(), gradients.named_parameters(), strict=True
    ):
        if source.grad is None:
            found[name] = parameter.detach().numpy()
            continue
        key = (shim.id, f"transformer.{name}")
        g = source.grad.numpy()
        step = state["nr_update"].get(key, 0) + 1
        zeros = numpy.zeros(g.size)
        m = 0.9 * state["mom1"].get(key, zeros).reshape(g.shape) + 0.1 * g
        v = 0.999 * state["mom2"].get(key, zeros).reshape(g.shape) + 0.001 * g**2
        rate = 1e-2 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step)
        found[name] = parameter.detach().numpy() - rate * m / (numpy.sqrt(v) + 1e-8)
    return found


@both_factories
def test_step_with_a_frozen_listener_is_made_before_the_pipeline_is_saved_or_used(
    bert: str, factory: str
) -> None:
    for use in (lambda nlp: nlp.to_bytes(), lambda nlp: nlp("Anna")):
        nlp = build(bert, {"a": "attention", "b": "mix"}, factory)
        before = weights(nlp)
        nlp.update(make_examples(nlp, TEXTS), sgd=adam(), exclude=["b"])
        use(nlp)
        assert not same(before, weights(nlp))


@both_factories
@pytest.mark.parametrize(("heads", "frozen"), [((STOCK, "mix"), "b"), (("mix", STOCK), "a")])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_stock_listener_beside_a_frozen_one_of_ours_trains_the_encoder(
    bert: str, heads: tuple[str, str], frozen: str, at_once: bool, factory: str
) -> None:
    b = bench(bert, {"a": heads[0], "b": heads[1]}, factory)
    optimizer = adam()
    for texts in (TEXTS, MORE_TEXTS):
        b.copy_weights()
        before, state = copy.deepcopy(b.transformer), optimizer_state(optimizer)
        b.update(texts, sgd=optimizer if at_once else False, exclude=[frozen])
        if at_once:
            b.nlp("Anna")
        else:
            b.nlp.get_pipe("transformer").finish_update(optimizer)  # type: ignore[attr-defined]
        b.repeat(texts)
        expected = adam_step(before, b.transformer, state, b.nlp)
        found = weights(b.nlp)
        for name, parameter in b.transformer.named_parameters():
            if parameter.grad is not None:
                sure = parameter.grad.abs().numpy() > 1e-4
                numpy.testing.assert_allclose(found[name][sure], expected[name][sure], atol=2e-4)
                assert not sure.any() or (found[name] != before.state_dict()[name].numpy()).any()


class Broken(Exception):
    pass


def break_loss(nlp: Language, name: str) -> Callable[[], None]:
    pipe: Any = nlp.get_pipe(name)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise Broken

    original = pipe.get_loss
    pipe.get_loss = fail
    return lambda: setattr(pipe, "get_loss", original)


@both_factories
@pytest.mark.parametrize("later_batch", [False, True])
def test_update_that_fails_before_any_gradient_leaves_nothing(
    bert: str, later_batch: bool, factory: str
) -> None:
    b = bench(bert, {"a": "attention", "b": "product"}, factory)
    if later_batch:
        b.update(TEXTS)
        b.copy_weights()
        b.encoder.zero_grad()
        for name in "ab":
            aggregator(b.nlp, name).zero_grad()
    mend = break_loss(b.nlp, "a")
    # The running statistics of batch norm move whenever a batch is seen, here as in plain PyTorch.
    with pytest.raises(Broken):
        b.update(MORE_TEXTS)
    mend()
    assert max(gradient_norms(b.encoder).values()) == 0
    b.update(TEXTS)
    b.assert_same(TEXTS)


@both_factories
@pytest.mark.parametrize("later_batch", [False, True])
def test_update_that_fails_half_way_keeps_what_the_heads_keep(
    bert: str, later_batch: bool, factory: str
) -> None:
    """Head "a" has its gradient of the broken batch, so the encoder has that of head "a" too."""
    b = bench(bert, {"a": "attention", "b": "mix"}, factory)
    if later_batch:
        b.update(TEXTS)
        b.copy_weights()
        b.encoder.zero_grad()
        for name in "ab":
            aggregator(b.nlp, name).zero_grad()
    mend = break_loss(b.nlp, "b")
    with pytest.raises(Broken):
        b.update(MORE_TEXTS)
    mend()
    b.update(TEXTS)
    # Only "a" sent two: leave the broken batch to it alone.
    first = b.heads["a"].sent.pop(0)
    b.repeat(TEXTS)
    b.heads["a"].sent[:], b.heads["b"].sent[:] = [first], []
    b.assert_same(MORE_TEXTS)


@both_factories
def test_failed_update_makes_no_step(bert: str, factory: str) -> None:
    nlp = build(bert, {"a": "attention"}, factory)
    optimizer = adam()
    nlp.update(make_examples(nlp, TEXTS), sgd=optimizer)
    before = weights(nlp)
    mend = break_loss(nlp, "a")
    with pytest.raises(Broken):
        nlp.update(make_examples(nlp, TEXTS), sgd=optimizer)
    mend()
    nlp.to_bytes()
    assert same(before, weights(nlp))


@both_factories
@pytest.mark.parametrize("kind", ["mix", "attention", "product"])
def test_frozen_annotating_encoder_trains_the_aggregator_alone(
    bert: str, kind: str, factory: str
) -> None:
    b = bench(bert, {"a": kind}, factory)
    before = weights(b.nlp)
    b.update(TEXTS, exclude=["transformer"], annotates=["transformer"])
    b.repeat(TEXTS)
    assert max(gradient_norms(b.encoder).values()) == 0
    assert b.errors()["a"] < 1e-4
    start = {n: p.detach().clone() for n, p in aggregator(b.nlp, "a").named_parameters()}
    b.update(TEXTS, exclude=["transformer"], annotates=["transformer"], sgd=adam())
    assert same(before, weights(b.nlp))
    after = dict(aggregator(b.nlp, "a").named_parameters())
    assert any(not torch.equal(start[name], after[name]) for name in start)


@both_factories
def test_encoder_frozen_after_it_was_trained_and_set_free_again(bert: str, factory: str) -> None:
    b = bench(bert, {"a": "attention", "b": "mix"}, factory)
    b.update(TEXTS, sgd=adam())
    frozen = weights(b.nlp)
    for _ in range(2):
        b.update(MORE_TEXTS, sgd=adam(), exclude=["transformer"], annotates=["transformer"])
    assert same(frozen, weights(b.nlp))
    b.copy_weights()
    b.encoder.zero_grad()
    for name in "ab":
        aggregator(b.nlp, name).zero_grad()
    b.update(TEXTS)
    b.nlp.get_pipe("transformer").model.ledger.close()  # type: ignore[attr-defined]
    b.assert_same(TEXTS)


@both_factories
def test_frozen_encoder_that_does_not_annotate_is_a_clear_error(bert: str, factory: str) -> None:
    nlp = build(bert, {"a": "attention"}, factory)
    nlp.update(make_examples(nlp, TEXTS), sgd=adam())
    with pytest.raises(ValueError, match="annotating_components"):
        nlp.update(make_examples(nlp, TEXTS), sgd=adam(), exclude=["transformer"])


def test_stock_encoder_is_an_error_at_initialize(bert: str) -> None:
    cfg = config(bert, {"a": "attention"}, "transformer")
    model = cfg["components"]["transformer"]["model"]
    model["@architectures"] = "spacy-transformers.TransformerModel.v3"
    model["get_spans"] = {"@span_getters": "spacy-transformers.doc_spans.v1"}
    nlp = load_model_from_config(cfg, auto_fill=True)
    with pytest.raises(ValueError, match=r"dlfa_spacy\.TransformerModel\.v1"):
        nlp.initialize(lambda: make_examples(nlp, TEXTS))


@both_factories
@pytest.mark.parametrize("kind", [*sorted(AGGREGATIONS), STOCK])
def test_replaced_listeners_train_identically(bert: str, kind: str, factory: str) -> None:
    b = bench(bert, {"a": kind}, factory)
    other = build(bert, {"a": kind}, factory)
    other.replace_listeners("transformer", "a", ["model.tok2vec"])
    b.update(TEXTS)
    other.update(make_examples(other, TEXTS), sgd=False, exclude=["transformer"])
    model: Model = other.get_pipe("a").model  # type: ignore[attr-defined]
    inline: Any = next(node for node in model.walk() if hasattr(node, "ledger"))
    found = dict(inline.transformer.named_parameters())
    for name, parameter in b.encoder.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(found[name].grad, parameter.grad, rtol=1e-4, atol=1e-6)


SHIPPED = ROOT / "configs" / "pos.cfg"


def shipped_optimizer() -> Any:
    """The optimizer of a shipped config, its schedule included."""
    cfg = Config().from_disk(SHIPPED, interpolate=False)
    block = {"optimizer": cfg["training"]["optimizer"]}
    return registry.resolve(Config(block), validate=False)["optimizer"]


def quickstart_optimizer() -> Any:
    """What `spacy init config --gpu` writes: 250 steps of warm-up to a rate for an encoder."""
    return Adam(warmup_linear(5e-5, 250, 20000), L2=0.01, grad_clip=1.0, L2_is_weight_decay=True)


def farthest_layer_weight(folder: str, aggregation: str, optimizer: Any) -> float:
    AGGREGATIONS["shipped"] = aggregation
    try:
        nlp = build(folder, {"a": "shipped"}, randomized=False)
    finally:
        del AGGREGATIONS["shipped"]
    start = dlfa_spacy.layer_weights(nlp)["a"]
    for _ in range(100):
        nlp.update(make_examples(nlp, TEXTS), sgd=False)
        for _, pipe in nlp.pipeline:
            pipe.finish_update(optimizer)  # type: ignore[attr-defined]
        optimizer.step_schedules()
    end = dlfa_spacy.layer_weights(nlp)["a"]
    return max(abs(x - y) for x, y in zip(start, end, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("aggregation", "optimizer"),
    [
        ("LayerAttention", shipped_optimizer),
        ("ScalarMix", shipped_optimizer),
        ("LayerAttention", quickstart_optimizer),
    ],
)
def test_layer_weights_move_at_the_default_rate_and_hardly_at_the_encoders(
    bert: str, aggregation: str, optimizer: Callable[[], Any]
) -> None:
    if optimizer is shipped_optimizer and not SHIPPED.is_file():
        pytest.skip("configs/ is not beside the tests")
    layer = f'@layers = "dlfa_spacy.{aggregation}.v1"'
    far = farthest_layer_weight(bert, layer, optimizer())
    near = farthest_layer_weight(bert, layer + "\nlr_scale = 1.0", optimizer())
    print(f"{aggregation}: {far:.4f} against {near:.4f} with lr_scale = 1")
    assert far >= 0.02
    assert far >= 10 * near
