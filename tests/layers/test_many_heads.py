"""Several heads of a text classifier: gradients, overlap, and a life like that of one head."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
import torch.nn.functional as F
from golden import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from pipelines import MORE_TEXTS, TEXTS
from textcats import build, classifier, learn_label, make_examples, scores
from thinc.api import Linear, Logistic, Model, NumpyOps, Softmax, chain
from torch import Tensor

from dlfa_spacy.layers.many_heads import many_heads, output_layer, overlap

OPS: Any = NumpyOps()
WIDTH, CLASSES = 5, 3


def overlap_in_torch(weights: Tensor) -> Tensor:
    """RETURNS: Of `(H, nO, nI)`, pair by pair."""
    pairs = [(h, k) for h in range(len(weights)) for k in range(len(weights)) if h != k]
    found = [F.cosine_similarity(weights[h], weights[k], dim=1).abs().sum() for h, k in pairs]
    return torch.stack(found).sum()


def random_heads(n: int, exclusive: bool, orthogonality: float, seed: int = 0) -> Model[Any, Any]:
    rng = numpy.random.default_rng(seed)
    heads: list[Model[Any, Any]] = []
    for _ in range(n):
        output = Softmax(CLASSES, WIDTH) if exclusive else Linear(CLASSES, WIDTH)
        output.initialize()
        output.set_param("W", rng.normal(size=(CLASSES, WIDTH)).astype("f"))
        output.set_param("b", rng.normal(size=CLASSES).astype("f"))
        heads.append(output if exclusive else chain(output, Logistic()))
    model = many_heads(heads, orthogonality)
    model.initialize(X=numpy.zeros((1, WIDTH), dtype="f"))
    return model


def weights_in_torch(model: Model[Any, Any]) -> list[tuple[Tensor, Tensor]]:
    layers = [output_layer(head) for head in model.layers]
    found = [[torch.tensor(x.get_param(k), requires_grad=True) for k in ("W", "b")] for x in layers]
    return [(W, b) for W, b in found]


def test_the_overlap_has_its_golden_value_and_its_gradient() -> None:
    weights = fill((3, 1, 4), 0.5, 0.2).requires_grad_()
    found, gradient = overlap(OPS, weights.detach().numpy())  # type: ignore[arg-type]
    assert found == pytest.approx(2.844970, abs=1e-6)
    expected = overlap_in_torch(weights)
    expected.backward()
    assert found == pytest.approx(expected.item())
    torch.testing.assert_close(torch.tensor(gradient), weights.grad)


def test_heads_at_right_angles_and_weights_of_0_do_not_overlap() -> None:
    weights: Any = numpy.eye(4, dtype="f")[:, None]
    found, gradient = overlap(OPS, weights)
    assert found == 0 and not gradient.any()
    found, gradient = overlap(OPS, numpy.zeros_like(weights))
    assert found == 0 and not gradient.any()


@settings(deadline=None)
@given(st.integers(2, 4), st.booleans(), st.sampled_from([0.0, 0.3]), st.integers(0, 5))
def test_the_gradient_is_that_of_the_mean_of_all_losses_and_of_the_overlap(
    n: int, exclusive: bool, orthogonality: float, rows: int
) -> None:
    model = random_heads(n, exclusive, orthogonality)
    rng = numpy.random.default_rng(rows)
    values = rng.normal(size=(rows, WIDTH)).astype("f")
    # Probabilities of a teacher are targets, too.
    wanted = rng.dirichlet(numpy.ones(CLASSES), size=rows).astype("f")
    Y, backprop = model(values, is_train=True)
    dX = backprop(Y - wanted)

    X, target = torch.tensor(values, requires_grad=True), torch.tensor(wanted)
    weights = weights_in_torch(model)
    logits = [X @ W.T + b for W, b in weights]
    if exclusive:
        predicted = [x.softmax(dim=1) for x in logits]
        losses = [-(target * x.log_softmax(dim=1)).sum() for x in logits]
    else:
        predicted = [x.sigmoid() for x in logits]
        losses = [0.5 * ((x - target) ** 2).sum() for x in predicted]
    kept_apart = orthogonality * overlap_in_torch(torch.stack([W for W, _ in weights]))
    (torch.stack(losses).mean() + kept_apart).backward()
    torch.testing.assert_close(torch.tensor(Y), torch.stack(predicted).mean(dim=0))
    torch.testing.assert_close(torch.tensor(dX), X.grad, atol=1e-6, rtol=1e-5)
    for head, (W, b) in zip(model.layers, weights, strict=True):
        layer = output_layer(head)
        for name, parameter in (("W", W), ("b", b)):
            found = torch.tensor(layer.get_grad(name))
            torch.testing.assert_close(found, parameter.grad, atol=1e-5, rtol=1e-4)


def test_what_is_not_annotated_teaches_nothing() -> None:
    model = random_heads(3, exclusive=False, orthogonality=0.0)
    X = numpy.random.default_rng(0).normal(size=(2, WIDTH)).astype("f")
    _, backprop = model(X, is_train=True)
    dY = numpy.zeros((2, CLASSES), dtype="f")
    dY[1, 2] = 0.5
    dX = backprop(dY)
    assert not dX[0].any() and dX[1].any()
    for head in model.layers:
        gradient = output_layer(head).get_grad("W")
        assert not gradient[:2].any() and gradient[2].any()


@pytest.mark.parametrize("exclusive", [True, False])
def test_they_train_apart_and_are_saved_and_loaded(
    bert: str, tmp_path: Path, exclusive: bool
) -> None:
    overlaps = {}
    for orthogonality in (0.0, 1.0):
        nlp = build(
            bert, randomized=False, exclusive=exclusive, heads=3, orthogonality=orthogonality
        )
        before = scores(nlp, TEXTS)
        optimizer = nlp.resume_training()
        optimizer.learn_rate = 1e-2
        for _ in range(30):
            nlp.update(make_examples(nlp, TEXTS), sgd=optimizer)
        many = classifier(nlp).get_ref("classes")
        stacked: Any = numpy.stack([output_layer(x).get_param("W") for x in many.layers])
        overlaps[orthogonality] = overlap(OPS, stacked)[0]
        assert (scores(nlp, TEXTS) - before).abs().max() > 0.1
    assert overlaps[1.0] < 0.5 * overlaps[0.0]
    nlp.to_disk(tmp_path / "nlp")
    again = spacy.load(tmp_path / "nlp")
    torch.testing.assert_close(scores(again, MORE_TEXTS), scores(nlp, MORE_TEXTS))


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_new_label_is_one_of_all_heads(bert: str, exclusive: bool) -> None:
    nlp = build(bert, randomized=False, exclusive=exclusive, heads=2)
    before = scores(nlp, TEXTS)
    nlp.get_pipe("textcat").add_label("D")  # type: ignore[attr-defined]
    many = classifier(nlp).get_ref("classes")
    assert [output_layer(head).get_param("W").shape[0] for head in many.layers] == [4, 4]
    if exclusive:
        torch.testing.assert_close(scores(nlp, TEXTS), before, atol=1e-3, rtol=0)
    learn_label(nlp, "D")
    assert nlp(TEXTS[0]).cats["D"] > 0.5


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"heads": 0}, "heads = 0: expected 1 or more"),
        ({"orthogonality": 0.5}, "orthogonality = 0.5: expected 0 or more, and 0 with heads = 1"),
        ({"heads": 2, "orthogonality": -1.0}, "orthogonality = -1.0: expected 0 or more"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    bert: str, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(bert, **wrong)
