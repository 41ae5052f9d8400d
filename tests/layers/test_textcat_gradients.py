"""The gradients of a text classifier, of its encoder included, are those of plain PyTorch."""

from typing import Any

import numpy
import pytest
import torch
from pipelines import FACTORIES, MORE_TEXTS, TEXTS, gradient_norms
from textcats import LONG, TextcatBench, bench, build, classifier, scores

from dlfa_spacy.layers.textcat_head import dense_tanh
from dlfa_spacy.pairs import join_pair

both_factories = pytest.mark.parametrize("factory", FACTORIES)
both_sequences = pytest.mark.parametrize("sequence", ["cls", "mean"])
LAYERS = ["embeddings", "layer 1", "layer 2", "layer 3", "layer 4"]


@both_factories
@both_sequences
@pytest.mark.parametrize("kind", ["last", "low", "attention", "product", "sigmoid"])
def test_every_parameter_gets_its_gradient(
    bert: str, kind: str, sequence: str, factory: str
) -> None:
    b = bench(bert, kind, factory, sequence=sequence)
    b.update(TEXTS)
    b.assert_same(TEXTS)
    reached = gradient_norms(b.encoder)
    top = 2 if kind == "low" else 4
    assert all(reached[layer] > 1e-4 for layer in LAYERS[: top + 1]), reached


@both_factories
@both_sequences
@pytest.mark.parametrize("pooler", ["pretrained", "new", None])
@pytest.mark.parametrize("exclusive", [True, False])
def test_poolers_and_both_kinds_of_classes(
    bert: str, exclusive: bool, pooler: str | None, sequence: str, factory: str
) -> None:
    b = bench(bert, "attention", factory, sequence=sequence, pooler=pooler, exclusive=exclusive)
    b.update(TEXTS)
    b.assert_same(TEXTS)


_TWO = (TEXTS[:2], ("", "Berlin"), ("the", ""), (LONG[0], TEXTS[0]), TEXTS[2:4])
PAIRS = [*(join_pair(*two)[0] for two in _TWO), "", TEXTS[0]]


@both_factories
@pytest.mark.parametrize("pairs", ["together", "apart"])
@pytest.mark.parametrize(("kind", "pooler"), [("last", None), ("attention", "new")])
def test_what_compares_the_two_texts_of_a_pair(
    bert: str, kind: str, pooler: str | None, pairs: str, factory: str
) -> None:
    settings = {"sequence": "pair", "pooler": pooler, "pairs": pairs, "window": 50, "stride": 40}
    b = bench(bert, kind, factory, **settings)
    b.update(PAIRS)
    b.assert_same(PAIRS)
    torch.testing.assert_close(scores(b.nlp, PAIRS), b.scores(PAIRS), atol=1e-5, rtol=0)


@both_factories
@both_sequences
@pytest.mark.parametrize("kind", ["last", "attention", "product"])
def test_long_docs_of_several_windows(bert: str, kind: str, sequence: str, factory: str) -> None:
    texts = ["", LONG[0], TEXTS[0], "", LONG[1], TEXTS[1], ""]
    b = bench(bert, kind, factory, sequence=sequence, window=12, stride=8)
    windows = b.encoder_model.segment([b.nlp.make_doc(text) for text in texts])
    assert windows.doc_windows.tolist()[1] > 2
    b.update(texts)
    b.assert_same(texts)


@both_factories
@both_sequences
@pytest.mark.parametrize("kind", ["last", "attention", "product"])
def test_beside_ner_and_tagger(bert: str, kind: str, sequence: str, factory: str) -> None:
    b = bench(bert, kind, factory, beside=["tagger", "ner"], sequence=sequence)
    b.update(TEXTS)
    b.update(MORE_TEXTS)
    errors = b.assert_same(TEXTS, MORE_TEXTS)
    assert {"ner", "aggregation", "pooler.W", "output.b"} <= set(errors)


def test_beside_ner_and_tagger_with_long_docs(bert: str) -> None:
    texts = [LONG[0], "", TEXTS[0]]
    b = bench(bert, "attention", beside=["tagger", "ner"], window=12, stride=8)
    b.update(texts)
    b.assert_same(texts)


@both_factories
@pytest.mark.parametrize("grad_factor", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["last", "attention", "product"])
def test_grad_factor(bert: str, kind: str, grad_factor: float, factory: str) -> None:
    b = bench(bert, kind, factory, grad_factor=grad_factor)
    b.update(TEXTS)
    b.assert_same(TEXTS)
    assert (max(gradient_norms(b.encoder).values()) > 0) == (grad_factor > 0)


@both_factories
@both_sequences
@pytest.mark.parametrize("where", [0, 2, len(TEXTS)])
def test_empty_docs(bert: str, where: int, sequence: str, factory: str) -> None:
    texts = [*TEXTS[:where], "", *TEXTS[where:]]
    b = bench(bert, "attention", factory, sequence=sequence)
    b.update(texts)
    b.assert_same(texts)


@both_factories
def test_batch_of_empty_docs_between_others(bert: str, factory: str) -> None:
    b = bench(bert, "attention", factory)
    for texts in (TEXTS, ["", ""], MORE_TEXTS):
        b.update(texts)
    b.assert_same(TEXTS, MORE_TEXTS)


@both_factories
@both_sequences
@pytest.mark.parametrize("kind", ["last", "attention", "product"])
def test_after_replace_listeners(bert: str, kind: str, sequence: str, factory: str) -> None:
    nlp = build(bert, kind, factory, sequence=sequence, window=12, stride=8)
    before = TextcatBench(nlp, one_window=False)
    nlp.replace_listeners("transformer", "textcat", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    b = TextcatBench.__new__(TextcatBench)
    b.__dict__.update(before.__dict__)
    texts = [TEXTS[0], "", LONG[0], TEXTS[1]]
    b.update(texts)
    # The component's own encoder runs its backward pass with its own update.
    b.encoder_model.ledger.close()
    b.assert_same(texts)
    assert all(norm > 1e-4 for part, norm in gradient_norms(b.encoder).items() if part in LAYERS)


def test_pretrained_pooler_of_the_encoder_itself_is_left_alone(bert: str) -> None:
    b = bench(bert, "attention")
    b.update(TEXTS)
    pooler: Any = b.encoder.pooler
    assert pooler.dense.weight.grad is None


@pytest.mark.parametrize("wrong", ["sequence", "pooler"])
def test_another_computation_would_be_found(bert: str, wrong: str) -> None:
    b = bench(bert, "attention")
    if wrong == "sequence":
        b.sequence = "mean"
    else:
        assert b.pooler is not None
        b.pooler.bias.data += 0.5
    b.update(TEXTS)
    b.repeat(TEXTS)
    assert max(b.errors().values()) > 0.1


def test_pooler_against_finite_differences() -> None:
    rng = numpy.random.default_rng(0)
    X = rng.normal(size=(5, 8)).astype("f")
    weights = rng.normal(size=(5, 8)).astype("f")
    model = dense_tanh()
    model.initialize(X=X)
    model.set_param("W", 0.3 * rng.normal(size=(8, 8)).astype("f"))
    model.set_param("b", rng.normal(size=8).astype("f"))
    _, backprop = model.begin_update(X)
    dX = backprop(weights)
    step = 1e-2

    def slope(name: str, direction: numpy.ndarray) -> float:
        values = []
        for sign in (1, -1):
            moved = {"W": model.get_param("W"), "b": model.get_param("b"), "X": X}
            moved[name] = moved[name] + sign * step * direction
            exact = numpy.tanh(moved["X"].astype("d") @ moved["W"].T + moved["b"])
            values.append(float((weights * exact).sum()))
        return (values[0] - values[1]) / (2 * step)

    gradients = {"W": model.get_grad("W"), "b": model.get_grad("b"), "X": dX}
    for name, gradient in gradients.items():
        for _ in range(3):
            direction = rng.normal(size=gradient.shape).astype("f")
            direction /= numpy.linalg.norm(direction)
            expected = slope(name, direction)
            assert float((gradient * direction).sum()) == pytest.approx(expected, abs=2e-3)


def test_whole_classifier_against_finite_differences(bert: str) -> None:
    """Not even the reference's autograd is believed: the loss itself is computed twice."""
    b = bench(bert, "attention", sequence="mean", window=12, stride=8)
    texts = [LONG[0], "", TEXTS[0]]
    b.transformer.double()
    for module in (b.module, b.pooler, b.output):
        assert module is not None
        module.double()
    b.update(texts)

    def loss() -> float:
        with torch.no_grad():
            docs = [b.nlp.make_doc(text) for text in texts]
            states, lengths, rows, windows = b._states(docs)
            vectors = b.module(states, lengths)
            return float(b._classification_loss(b.logits(vectors, windows, docs, rows), texts))

    torch.set_default_dtype(torch.float64)
    try:
        pairs = zip(b.encoder.named_parameters(), b.transformer.parameters(), strict=True)
        checked = 0
        for (name, ours), theirs in pairs:
            if not name.endswith(("output.dense.weight", "word_embeddings.weight")):
                continue
            assert ours.grad is not None
            direction = ours.grad.double() / ours.grad.double().norm()
            step = 1e-5
            theirs.data += step * direction
            up = loss()
            theirs.data -= 2 * step * direction
            down = loss()
            theirs.data += step * direction
            assert (up - down) / (2 * step) == pytest.approx(float(ours.grad.norm()), rel=1e-3)
            checked += 1
        assert checked == 9
    finally:
        torch.set_default_dtype(torch.float32)
    assert classifier(b.nlp).get_ref("pooler").has_grad("W")
