"""Senses of words: golden values, the centres, and what the method reads of a text."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from aligned import ENGLISH, FOREIGN, toy_examples, toy_method, toy_pairs
from golden import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlfa_spacy.alignment.losses import (
    move_centres,
    nearest_sense,
    principal_axes,
    sense_loss,
)
from dlfa_spacy.alignment.methods.sense import Sense
from dlfa_spacy.parallel import WordDictionary


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(method: Any, collate: Any, n: int = 8) -> Any:
    return collate(toy_examples(method.tokenizer, toy_pairs(n)), generator())


def ready(folder: str, n: int = 8, **changes: Any) -> tuple[Sense, Any]:
    torch.manual_seed(3)
    method, collate = toy_method(folder, "sense", **{"rate": 0.9, **changes})
    batch = batch_of(method, collate, n)
    method.prepare(lambda: [batch])
    assert isinstance(method, Sense)
    return method, batch


H = torch.tensor([[0.8, 0.3, 0.1, 0.0]])


def test_golden_sense_and_the_centre_that_moves() -> None:
    centres = torch.eye(2, 4)
    cosines = F.cosine_similarity(H, centres)
    torch.testing.assert_close(cosines, torch.tensor([0.929981, 0.348743]), atol=1e-6, rtol=0)
    there = torch.ones(1, 2, dtype=torch.bool)
    assert nearest_sense(H, centres[None], there, torch.eye(4)).tolist() == [0]
    assert nearest_sense(H, centres[None], ~torch.eye(2, dtype=torch.bool)[:1], torch.eye(4)) == 1
    move_centres(centres, torch.tensor([0]), H, 0.01)
    wanted = torch.tensor([[0.998, 0.003, 0.001, 0.0], [0.0, 1.0, 0.0, 0.0]])
    torch.testing.assert_close(centres, wanted, atol=1e-6, rtol=0)


def test_golden_losses_and_their_gradients() -> None:
    vectors = fill((6, 4), 0.5, 0.2).float()
    logits = H @ vectors.T
    wanted = [0.259698, -0.485303, 0.374732, -0.004579, -0.368745, 0.486636]
    torch.testing.assert_close(logits[0], torch.tensor(wanted), atol=1e-6, rtol=0)
    own, other, none = torch.tensor([0]), torch.tensor([5]), torch.tensor([-1])
    assert sense_loss(H, vectors, own, none).item() == pytest.approx(1.639497, abs=1e-6)
    assert sense_loss(H, vectors, other, none).item() == pytest.approx(1.412560, abs=1e-6)
    assert sense_loss(H, vectors, own, other).item() == pytest.approx(1.526028, abs=1e-6)
    # States of the identity: their gradient is that of the logits.
    gradients = {
        -1: [-0.805922, 0.092135, 0.217738, 0.149005, 0.103525, 0.243519],
        5: [-0.305922, 0.092135, 0.217738, 0.149005, 0.103525, -0.256481],
    }
    for translated, gradient in gradients.items():
        states = logits.clone().requires_grad_()
        sense_loss(states, torch.eye(6), own, torch.tensor([translated])).sum().backward()
        torch.testing.assert_close(states.grad, torch.tensor([gradient]), atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 6), st.integers(1, 9), st.integers(0, 99))
def test_one_sense_and_no_translation_is_plain_cross_entropy(n: int, words: int, seed: int) -> None:
    states, vectors = torch.randn(n, 5, generator=generator(seed)), torch.randn(words, 5)
    own = torch.randint(words, (n,), generator=generator(seed))
    found = sense_loss(states, vectors, own, torch.full((n,), -1))
    plain = F.cross_entropy(states @ vectors.T, own, reduction="none")
    torch.testing.assert_close(found, plain)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.floats(0.001, 1.0), st.integers(0, 99))
def test_states_of_one_sense_move_it_as_far_as_one_after_the_other(
    n: int, alpha: float, seed: int
) -> None:
    state = torch.randn(1, 3, generator=generator(seed))
    centres = torch.randn(2, 3, generator=generator(seed + 1))
    at_once, wanted = centres.clone(), centres.clone()
    move_centres(at_once, torch.ones(n, dtype=torch.long), state.expand(n, -1), alpha)
    for _ in range(n):
        wanted[1] = (1 - alpha) * wanted[1] + alpha * state[0]
    torch.testing.assert_close(at_once, wanted, atol=1e-5, rtol=1e-5)


def test_axes_are_those_of_a_principal_component_analysis() -> None:
    states = torch.randn(60, 8, generator=generator()) * torch.arange(1, 9)
    axes = principal_axes(states, 3)
    _, _, wanted = torch.linalg.svd(states - states.mean(dim=0), full_matrices=False)
    torch.testing.assert_close((axes.T @ wanted[:3].T).abs(), torch.eye(3), atol=1e-4, rtol=0)


def test_two_planted_senses_are_told_apart(bert: str) -> None:
    method, _ = ready(bert, senses=2)
    method.train()
    width = method.width
    means = torch.zeros(2, width)
    means[0, 0] = means[1, 1] = 10.0
    truth = torch.randint(2, (700,), generator=generator(1))
    states = means[truth] + torch.randn(700, width, generator=generator(2))
    word = torch.zeros(1, dtype=torch.long)
    for state in states[:500]:
        method._meet(state[None], word)
    found, _ = method._senses(states[500:], word.expand(200))
    right = (found == truth[500:]).float().mean().item()
    assert max(right, 1 - right) >= 0.99


def test_the_first_states_are_the_first_centres_and_the_same_state_is_no_other_sense(
    bert: str,
) -> None:
    method, _ = ready(bert, senses=3)
    method.train()
    a, b = torch.randn(2, method.width, generator=generator())
    method._meet(torch.stack([a, a, b]), torch.tensor([1, 1, 1]))
    assert method.n_centres.tolist()[:3] == [0, 2, 0]
    begin = 1 * 3
    torch.testing.assert_close(method.centres[begin], a)
    torch.testing.assert_close(method.centres[begin + 1], b)
    assert not method.centres[begin + 2].any() and not method.centres[:begin].any()
    method.eval()
    before = method.centres.clone()
    method._meet(torch.stack([b]), torch.tensor([0]))
    assert torch.equal(method.centres, before)


def test_centres_have_no_gradient_and_both_senses_are_predicted(bert: str) -> None:
    method, batch = ready(bert)
    method.train()
    method(batch, generator())["loss"].backward()
    trained = {name for name, p in method.named_parameters() if p.grad is not None}
    assert "vectors" in trained and not {"centres", "projection"} & trained
    assert not any(name.startswith("initial") for name in trained)
    assert method.centres.grad is None and not method.centres.requires_grad
    # Every word of the toy dictionary has one translation, and most have been met.
    words = torch.arange(len(method.numbers))[method.n_centres > 0]
    own, translated = method._senses(torch.randn(len(words), method.width), words)
    named = {number: word for word, number in method.numbers.items()}
    english = dict(zip(FOREIGN, ENGLISH, strict=True))
    for word, sense, other in zip(words.tolist(), own.tolist(), translated.tolist(), strict=True):
        assert sense // 4 == word
        if other >= 0:
            pair = dict([named[word], named[other // 4]])
            assert english[pair["ru"]].lower() == pair["en"]


def test_what_is_hidden_is_whole_words_of_the_dictionary(
    bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = ready(bert, keep=0.0)
    method.dictionaries = {"ru": WordDictionary([("дар", "sun")])}
    method.prepare(lambda: [batch])
    assert set(method.numbers) == {("ru", "дар"), ("en", "sun")}
    seen: list[Tensor] = []
    module = "dlfa_spacy.alignment.methods.sense"

    def hide(ids: Tensor, chosen: Tensor, *_: Any) -> Tensor:
        seen.append(chosen)
        return ids

    monkeypatch.setattr(f"{module}.hide_pieces", hide)
    method(batch, generator())
    for side, chosen, word in zip((batch.source, batch.target), seen, ("дар", "sun"), strict=True):
        ends = side.words.lengths.cumsum(0).tolist()
        hidden = chosen.flatten().nonzero()[:, 0].tolist()
        spans = [
            side.words.rows[end - int(size) : end].tolist()
            for end, size in zip(ends, side.words.lengths, strict=True)
        ]
        allowed = [
            set(span) for span, form in zip(spans, side.words.forms, strict=True) if form == word
        ]
        assert hidden and all(span <= set(hidden) or not span & set(hidden) for span in allowed)
        assert set(hidden) <= set().union(*allowed)


def test_sides_need_not_be_translations(bert: str) -> None:
    method, collate = toy_method(bert, "sense")
    examples = toy_examples(method.tokenizer, toy_pairs(8))
    turned = [
        replace(example, target=other.target, links=[])
        for example, other in zip(examples, examples[1:] + examples[:1], strict=True)
    ]
    found = []
    for text in (examples, turned):
        method.prepare(lambda text=text: [collate(text, generator())])
        found.append(method.numbers)
    assert found[0] == found[1]
    method.train()
    assert method(collate(turned, generator()), generator())["sense"] > 0


def test_only_the_most_frequent_words_are_predicted(bert: str) -> None:
    method, _ = ready(bert, vocabulary=3)
    assert len(method.numbers) == 3 and method.vectors.shape == (12, method.width)


def test_a_text_without_words_of_a_dictionary_is_an_error(bert: str) -> None:
    method, batch = ready(bert)
    method.dictionaries = {"ru": WordDictionary([("кот", "cat")])}
    with pytest.raises(ValueError, match="is in a dictionary.*Fix: --dictionaries"):
        method.prepare(lambda: [batch])


def test_axes_are_found_anew_every_so_many_steps(bert: str) -> None:
    method, batch = ready(bert, refresh=2, width=3)
    method.train()
    method(batch, generator())
    before = method.projection.clone()
    method.after_step()
    assert torch.equal(method.projection, before)
    method.after_step()
    states, _ = method.queue.filled()
    torch.testing.assert_close(method.projection, principal_axes(states, 3))
