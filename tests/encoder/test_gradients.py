"""The gradient of every parameter of the encoder is that of plain PyTorch, layer by layer."""

from typing import Any

import pytest
import torch
from pipelines import (
    AGGREGATIONS,
    FACTORIES,
    MORE_TEXTS,
    STOCK,
    TEXTS,
    Bench,
    aggregator,
    bench,
    gradient_norms,
    make_examples,
)
from spacy_transformers.layers.transformer_model import _convert_transformer_outputs
from transformers.utils import ModelOutput

both_factories = pytest.mark.parametrize("factory", FACTORIES)
every_aggregation = pytest.mark.parametrize("kind", sorted(AGGREGATIONS))


@both_factories
@every_aggregation
def test_one_listener(bert: str, kind: str, factory: str) -> None:
    b = bench(bert, {"a": kind}, factory)
    b.update(TEXTS)
    errors = b.assert_same(TEXTS)
    print(kind, factory, errors)
    reached = gradient_norms(b.encoder)
    layers = ["embeddings", "layer 1", "layer 2", "layer 3", "layer 4"]
    top = 2 if kind == "low" else 4
    assert all(reached[layer] > 1e-3 for layer in layers[: top + 1])


@pytest.mark.parametrize("kind", ["mean", "mix", "attention", "product"])
def test_stock_convert_outputs_loses_the_gradients_of_lower_layers(bert: str, kind: str) -> None:
    b = bench(bert, {"a": kind})
    wrapper = b.nlp.get_pipe("transformer").model.layers[0]  # type: ignore[attr-defined]

    def stock(model: Any, inputs_outputs: Any, is_train: bool) -> Any:
        inputs, outputs = inputs_outputs
        top = max(outputs)
        last = ModelOutput(last_hidden_state=outputs[top])
        # What stock does between the encoder and its listeners has no public name.
        _, backprop = _convert_transformer_outputs(model, (inputs, last), is_train)
        return outputs, lambda d: backprop(ModelOutput(last_hidden_state=d[top]))

    wrapper.attrs["convert_outputs"] = stock
    b.update(TEXTS)
    b.repeat(TEXTS)
    assert max(b.errors().values()) > 0.1


@both_factories
@pytest.mark.parametrize("stock_first", [True, False])
@every_aggregation
def test_ours_beside_a_stock_listener(
    bert: str, kind: str, stock_first: bool, factory: str
) -> None:
    heads = {"a": STOCK, "b": kind} if stock_first else {"a": kind, "b": STOCK}
    b = bench(bert, heads, factory)
    b.update(TEXTS)
    b.assert_same(TEXTS)


@both_factories
@pytest.mark.parametrize(
    "kinds", [("low", "last"), ("attention", "product"), ("mix", "mean"), ("sigmoid", "low")]
)
def test_two_listeners_that_want_different_layers(
    bert: str, kinds: tuple[str, str], factory: str
) -> None:
    b = bench(bert, {"a": kinds[0], "b": kinds[1]}, factory)
    b.update(TEXTS)
    b.assert_same(TEXTS)


@both_factories
@pytest.mark.parametrize("kinds", [("attention", "product"), (STOCK, "mix"), ("product", STOCK)])
def test_prediction_between_the_updates_of_two_components(
    bert: str, kinds: tuple[str, str], factory: str
) -> None:
    b = bench(bert, {"a": kinds[0], "b": kinds[1]}, factory)
    for texts in (TEXTS, MORE_TEXTS):
        examples = make_examples(b.nlp, texts)
        for name in b.nlp.pipe_names:
            b.nlp.get_pipe(name).update(examples)  # type: ignore[attr-defined]
            b.nlp("Anna lives in Berlin")
    b.assert_same(TEXTS, MORE_TEXTS)


@both_factories
@pytest.mark.parametrize("kinds", [("attention", "product"), (STOCK, "mix"), ("product", STOCK)])
def test_component_added_later_before_another(
    bert: str, kinds: tuple[str, str], factory: str
) -> None:
    b = bench(bert, {"a": kinds[0], "b": kinds[1]}, factory, order=["b"])
    assert b.nlp.pipe_names == ["transformer", "b", "a"]
    b.update(TEXTS)
    b.assert_same(TEXTS)


@pytest.mark.parametrize(
    ("kinds", "factory"),
    [
        (("attention", "product"), "dlfa_transformer"),
        ((STOCK, "mix"), "dlfa_transformer"),
        (("product", STOCK), "dlfa_transformer"),
        ((STOCK, STOCK), "dlfa_transformer"),
        (("attention", "product"), "transformer"),
        (("mix", STOCK), "transformer"),
    ],
)
def test_listeners_known_in_another_order_than_the_pipelines(
    bert: str, kinds: tuple[str, str], factory: str
) -> None:
    b = bench(bert, {"a": kinds[1], "b": kinds[0]}, factory)
    transformer: Any = b.nlp.get_pipe("transformer")
    transformer.listener_map = dict(reversed(list(transformer.listener_map.items())))
    batches = [TEXTS, MORE_TEXTS, TEXTS]
    for texts in batches:
        b.update(texts)
    b.assert_same(*batches)


@both_factories
@pytest.mark.parametrize("kinds", [("product", "attention"), ("mix", STOCK), (STOCK, "low")])
@pytest.mark.parametrize("frozen", ["a", "b"])
def test_frozen_listener_in_all_batches(
    bert: str, kinds: tuple[str, str], frozen: str, factory: str
) -> None:
    b = bench(bert, {"a": kinds[0], "b": kinds[1]}, factory)
    batches = [TEXTS, MORE_TEXTS, TEXTS]
    for texts in batches:
        b.update(texts, exclude=[frozen])
    finish_backward(b)
    assert not b.heads[frozen].sent
    b.assert_same(*batches)
    assert max(gradient_norms(b.encoder).values()) > 1e-3


@pytest.mark.parametrize("kinds", [("product", "attention"), ("mix", STOCK), (STOCK, "low")])
@pytest.mark.parametrize("frozen", ["a", "b"])
def test_listener_frozen_after_it_was_trained_and_set_free_again(
    bert: str, kinds: tuple[str, str], frozen: str
) -> None:
    b = bench(bert, {"a": kinds[0], "b": kinds[1]})
    for exclude in ([], [], [frozen], [frozen], [], []):
        b.copy_weights()
        zero_gradients(b)
        b.update(TEXTS, exclude=exclude)
        finish_backward(b)
        b.assert_same(TEXTS)


EMPTY = {
    "first": ["", *TEXTS],
    "middle": [*TEXTS[:2], "", *TEXTS[2:]],
    "last": [*TEXTS, ""],
    "everywhere": ["", "", TEXTS[0], "", TEXTS[1], "", ""],
}


@both_factories
@pytest.mark.parametrize("kind", ["last", "mix", "attention", "product", "control"])
@pytest.mark.parametrize("where", EMPTY)
def test_empty_docs(bert: str, kind: str, where: str, factory: str) -> None:
    b = bench(bert, {"a": kind}, factory)
    b.update(EMPTY[where])
    b.assert_same(EMPTY[where])


@pytest.mark.parametrize("where", EMPTY)
@pytest.mark.parametrize("kinds", [(STOCK, "mix"), ("product", STOCK)])
def test_empty_docs_beside_a_stock_listener(bert: str, where: str, kinds: tuple[str, str]) -> None:
    b = bench(bert, {"a": kinds[0], "b": kinds[1]})
    b.update(EMPTY[where])
    b.assert_same(EMPTY[where])


@both_factories
@pytest.mark.parametrize("kind", [*sorted(AGGREGATIONS), STOCK])
def test_batch_of_empty_docs_alone(bert: str, kind: str, factory: str) -> None:
    b = bench(bert, {"a": kind}, factory)
    b.update(["", ""])
    assert max(gradient_norms(b.encoder).values()) == 0
    for head in b.heads.values():
        head.sent.clear()
    b.update(TEXTS)
    b.update([""])
    for head in b.heads.values():
        del head.sent[1:]
    b.assert_same(TEXTS)


@both_factories
@pytest.mark.parametrize("grad_factor", [0.0, 0.5])
@pytest.mark.parametrize("kind", sorted(AGGREGATIONS))
def test_grad_factor_scales_every_layer(
    bert: str, kind: str, grad_factor: float, factory: str
) -> None:
    b = bench(bert, {"a": kind}, factory, grad_factor=grad_factor)
    b.update(TEXTS)
    b.assert_same(TEXTS)
    assert (max(gradient_norms(b.encoder).values()) > 0) == (grad_factor > 0)


@both_factories
@pytest.mark.parametrize("kind", sorted(AGGREGATIONS))
def test_accumulated_gradients_add_up(bert: str, kind: str, factory: str) -> None:
    b = bench(bert, {"a": kind, "b": STOCK}, factory)
    b.update(TEXTS)
    b.update(MORE_TEXTS)
    b.assert_same(TEXTS, MORE_TEXTS)


@both_factories
def test_annotating_encoder_that_also_trains(bert: str, factory: str) -> None:
    b = bench(bert, {"a": "attention", "b": "product"}, factory)
    for texts in (TEXTS, MORE_TEXTS):
        b.update(texts, annotates=["transformer", "a"])
    b.assert_same(TEXTS, MORE_TEXTS)


@pytest.mark.parametrize("kind", ["mix", "attention", "product"])
def test_any_encoder(any_encoder: str, kind: str) -> None:
    b = bench(any_encoder, {"a": kind, "b": STOCK})
    for module in (b.encoder, b.transformer):
        for layer in module.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
            if hasattr(layer, "dropout_prob"):
                layer.dropout_prob = 0.0
    b.update(TEXTS)
    b.assert_same(TEXTS)


def finish_backward(b: Bench) -> None:
    """What finish_update does before it steps."""
    b.nlp.get_pipe("transformer").model.ledger.close()  # type: ignore[attr-defined]


def zero_gradients(b: Bench) -> None:
    b.encoder.zero_grad()
    for name in b.heads:
        module = aggregator(b.nlp, name)
        if module is not None:
            module.zero_grad()
