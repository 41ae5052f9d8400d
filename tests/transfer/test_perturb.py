"""Perturbed embeddings: how large the change is, and which gradient it leaves."""

import copy
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from life import examples, parameters, trained
from pipelines import TEXTS, Bench, bench
from spacy.util import fix_random_seed

from dlfa_spacy.transfer.perturb import (
    Perturbation,
    build_perturb_v1,
    random_in_ball,
    worst_in_ball,
)

STEP = {"step": 0, "epoch": 0}


def test_the_worked_example_of_fgm() -> None:
    found = worst_in_ball(torch.tensor([[3.0, 4.0], [0.0, 0.0]]), 1.0)
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


@given(st.integers(1, 50), st.floats(0.01, 10))
def test_what_is_added_lies_in_the_ball(width: int, radius: float) -> None:
    torch.manual_seed(0)
    norms = random_in_ball(torch.zeros(200, width), radius).norm(dim=-1)
    assert norms.max() <= radius * (1 + 1e-5)
    # Evenly in the ball: the share within half the radius is 2^-E.
    assert abs(float((norms < radius / 2).float().mean()) - 0.5**width) < 0.15
    worst = worst_in_ball(torch.randn(20, width), radius).norm(dim=-1)
    torch.testing.assert_close(worst, torch.full((20,), radius), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("mode", ["random", "adversarial"])
def test_without_a_radius_nothing_changes(bert: str, mode: str) -> None:
    found = []
    for hook in (build_perturb_v1(mode, 0.0), None):
        nlp = trained(bert, ["tagger"], "last", steps=0)
        optimizer = nlp.resume_training()
        fix_random_seed(0)
        for step in range(2):
            if hook is not None:
                hook(nlp, {"step": step, "epoch": 0})
            nlp.update(examples(nlp), sgd=optimizer)
        found.append(parameters(nlp))
    assert all((found[0][name] == found[1][name]).all() for name in found[0])


def test_random_changes_reach_training_and_no_prediction(bert: str) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    before = [both.nlp(text).tensor for text in TEXTS]
    both.update(TEXTS)
    plain = [p.grad.clone() for p in both.encoder.parameters() if p.grad is not None]
    both.encoder.zero_grad()
    build_perturb_v1("random", 5.0)(both.nlp, STEP)
    both.update(TEXTS)
    moved = [p.grad.clone() for p in both.encoder.parameters() if p.grad is not None]
    assert any(not torch.allclose(a, b, rtol=1e-2) for a, b in zip(plain, moved, strict=True))
    after = [both.nlp(text).tensor for text in TEXTS]
    assert all((a == b).all() for a, b in zip(before, after, strict=True))


def test_the_adversarial_gradient_is_that_of_both_passes(bert: str) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    hook = build_perturb_v1("adversarial", 0.5)
    seen: list[Any] = []
    embeddings = both.encoder.embeddings
    hook(both.nlp, STEP)
    hook(both.nlp, STEP)
    assert len(embeddings._forward_hooks) == 1
    embeddings.register_forward_hook(lambda module, inputs, output: seen.append(output.detach()))
    both.update(TEXTS)
    n = len(seen) // 2
    changes = [changed - clean for clean, changed in zip(seen[:n], seen[n:], strict=True)]
    for change in changes:
        assert ((change.norm(dim=-1) - 0.5).abs() < 1e-3).float().mean() > 0.9
    total = [p.grad.clone() for p in both.encoder.parameters() if p.grad is not None]
    parts = []
    for added in ([], list(changes)):
        other: Bench = bench(bert, {"tagger": "last"})

        def add(module: Any, inputs: Any, output: Any, added: list[Any] = added) -> Any:
            return output + added.pop(0) if added else output

        other.encoder.embeddings.register_forward_hook(add)
        other.update(TEXTS)
        parts.append([p.grad for p in other.encoder.parameters() if p.grad is not None])
    for found, clean, changed in zip(total, *parts, strict=True):
        torch.testing.assert_close(found, clean + changed, rtol=1e-3, atol=1e-5)


def test_frozen_embeddings_are_perturbed_too(bert: str) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    both.encoder.embeddings.requires_grad_(False)
    build_perturb_v1("adversarial", 0.5)(both.nlp, STEP)
    seen: list[Any] = []
    both.encoder.embeddings.register_forward_hook(lambda m, i, output: seen.append(output.detach()))
    both.update(TEXTS)
    assert (seen[0] != seen[len(seen) // 2]).any()
    assert all(p.grad is None for p in both.encoder.embeddings.parameters())


def test_copies_have_no_hooks(bert: str) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    hook = build_perturb_v1("adversarial", 0.5)
    size = len(pickle.dumps(hook))
    hook(both.nlp, STEP)
    both.update(TEXTS)
    assert isinstance(hook, Perturbation)
    assert len(pickle.dumps(hook)) == size
    assert copy.deepcopy(hook)._hooked is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"mode": "no"}, 'mode = "no"'), ({"radius": -1.0}, "radius = -1.0")],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_perturb_v1(**settings)
