"""The contrastive loss and its settings, against golden values and plain references."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dlfa_spacy.alignment.losses import (
    additive_margin,
    contrastive,
    cz_nce,
    info_nce,
    moco,
    squared_distance,
    strong_words,
    weak_words,
)

SIMILARITY = [[2.0, 1.0, -0.5, 0.3]]
POSITIVES = torch.tensor([[True, False, False, False]])


def golden(include_positive: bool) -> tuple[float, Tensor]:
    similarity = torch.tensor(SIMILARITY, requires_grad=True)
    loss = contrastive(
        similarity, POSITIVES, ~POSITIVES, temperature=1.0, include_positive=include_positive
    )
    loss.backward()
    assert similarity.grad is not None
    return loss.item(), similarity.grad[0]


def test_golden_values_and_gradients_of_cz_nce() -> None:
    loss, grad = golden(include_positive=False)
    assert loss == pytest.approx(-0.457841, abs=1e-6)
    torch.testing.assert_close(
        grad, torch.tensor([-1.0, 0.581492, 0.129748, 0.288760]), atol=1e-6, rtol=0
    )


def test_golden_values_and_gradients_of_info_nce() -> None:
    loss, grad = golden(include_positive=True)
    assert loss == pytest.approx(0.490203, abs=1e-6)
    torch.testing.assert_close(
        grad, torch.tensor([-0.387498, 0.225327, 0.050277, 0.111894]), atol=1e-6, rtol=0
    )


def units(n: int, seed: int, width: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, width, generator=generator), dim=1)


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 7), st.floats(0.05, 2.0), st.integers(0, 99))
def test_info_nce_is_softplus_of_cz_nce_row_by_row(n: int, tau: float, seed: int) -> None:
    similarity = units(n, seed) @ units(n, seed + 1).T
    own = torch.eye(n, dtype=torch.bool)
    for i in range(n):
        row = similarity[i : i + 1], own[i : i + 1], ~own[i : i + 1], tau
        info, cz = contrastive(*row), contrastive(*row, include_positive=False)
        torch.testing.assert_close(info, F.softplus(cz))


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 7), st.floats(0.05, 2.0), st.integers(0, 99))
def test_weak_words_are_the_cross_entropy_of_torch(n: int, tau: float, seed: int) -> None:
    x, y = units(n, seed), units(n, seed + 1)
    logits, gold = x @ y.T / tau, torch.arange(n)
    wanted = (F.cross_entropy(logits, gold) + F.cross_entropy(logits.T, gold)) / 2
    torch.testing.assert_close(weak_words(x, y, tau), wanted)


def test_info_nce_over_both_sides_is_the_cross_entropy_of_torch() -> None:
    x, y = units(5, 1), units(5, 2)
    both = torch.cat([x, y])
    logits = (both @ both.T / 0.07).masked_fill(torch.eye(10, dtype=torch.bool), -torch.inf)
    gold = torch.arange(10).roll(5)
    torch.testing.assert_close(info_nce(x, y, 0.07), F.cross_entropy(logits, gold))


def plain_cz(x: Tensor, y: Tensor, same: Tensor) -> float:
    losses = [
        math.log(
            sum(
                math.exp(float(a[i] @ other[j] - a[i] @ b[i]) / 0.07)
                for j in range(len(x))
                for other in (a, b)
                if not same[i, j]
            )
        )
        for a, b in ((x, y), (y, x))
        for i in range(len(x))
    ]
    return sum(losses) / len(losses)


def test_cz_nce_is_the_plain_formula_and_does_not_care_which_side_is_which() -> None:
    x, y = units(4, 1), units(4, 2)
    assert float(cz_nce(x, y)) == pytest.approx(plain_cz(x, y, torch.eye(4)), rel=1e-5)
    torch.testing.assert_close(cz_nce(x, y), cz_nce(y, x))


def test_pairs_that_share_a_sentence_are_no_negatives() -> None:
    x, y = units(3, 1), units(3, 2)
    same = torch.eye(3, dtype=torch.bool)
    same[0, 2] = same[2, 0] = True
    assert float(cz_nce(x, y, same=same)) == pytest.approx(plain_cz(x, y, same), rel=1e-5)
    with pytest.raises(ValueError, match="without negatives"):
        cz_nce(x, y, same=torch.ones_like(same))


def test_cz_nce_without_negatives_is_an_error_or_skipped() -> None:
    x, y = units(1, 1).requires_grad_(), units(1, 2)
    with pytest.raises(ValueError, match="log 0.*Fix: a larger batch"):
        cz_nce(x, y)
    loss = cz_nce(x, y, no_negatives="skip")
    loss.backward()
    assert loss.item() == 0 and x.grad is not None and not x.grad.any()


def test_info_nce_without_negatives_is_zero_with_a_gradient_of_zero() -> None:
    x = units(1, 1).requires_grad_()
    loss = info_nce(x, units(1, 2))
    loss.backward()
    assert loss.item() == 0 and x.grad is not None and not x.grad.any()


def test_an_anchor_without_negatives_does_not_spoil_the_others() -> None:
    similarity = torch.tensor([[1.0, 0.0], [0.2, 0.7]], requires_grad=True)
    positives = torch.eye(2, dtype=torch.bool)
    negatives = torch.tensor([[False, False], [True, False]])
    loss = contrastive(similarity, positives, negatives, 1.0, include_positive=False)
    loss.backward()
    assert loss.item() == pytest.approx(-0.5)
    assert similarity.grad is not None and similarity.grad.tolist() == [[0, 0], [1, -1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("loss", [info_nce, cz_nce])
def test_stable_at_the_paper_s_temperature(dtype: torch.dtype, loss: object) -> None:
    # Translations equal, the rest opposite: exp(1 / 0.07) overflows half precision.
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=dtype, requires_grad=True)
    value = loss(x, x.detach().clone())  # type: ignore[operator]
    value.backward()
    assert torch.isfinite(value) and x.grad is not None and torch.isfinite(x.grad).all()
    if loss is cz_nce:
        assert value.item() == pytest.approx(math.log(2) - 2 / 0.07, rel=1e-6)


def test_bf16_agrees_with_float32_to_the_digits_it_has() -> None:
    x, y = units(16, 1, 64), units(16, 2, 64)
    exact, short = cz_nce(x, y), cz_nce(x.bfloat16(), y.bfloat16())
    assert short.dtype == torch.float32
    assert float(short) == pytest.approx(float(exact), abs=0.05)


def test_cz_nce_keeps_its_gradient_where_info_nce_has_none_left() -> None:
    grads = []
    for loss in (info_nce, cz_nce):
        x = torch.tensor([[1.0, 0.1], [-1.0, 0.1]], requires_grad=True)
        loss(x, torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).backward()
        assert x.grad is not None
        grads.append(float(x.grad.norm()))
    assert grads[0] < 1e-8 < 0.1 < grads[1]


def test_strong_words_are_the_cross_entropy_over_all_words() -> None:
    words, links = units(7, 3), torch.tensor([[0, 4], [2, 6]])
    logits = (words @ words.T / 0.1).masked_fill(torch.eye(7, dtype=torch.bool), -torch.inf)
    anchors, gold = torch.tensor([0, 2, 4, 6]), torch.tensor([4, 6, 0, 2])
    wanted = F.cross_entropy(logits[anchors], gold)
    torch.testing.assert_close(strong_words(words, links), wanted)


def test_copies_of_a_word_are_no_negatives_if_asked() -> None:
    words = torch.cat([units(4, 3), units(4, 3)[:1]])
    links = torch.tensor([[0, 2]])
    same = torch.tensor([0, 1, 2, 3, 0])
    torch.testing.assert_close(
        strong_words(words, links, same=same), strong_words(words[:4], links)
    )
    assert strong_words(words, links) > strong_words(words[:4], links)


@pytest.mark.parametrize("size", [1, 5])
def test_moco_of_equal_queries_and_orthogonal_keys(size: int) -> None:
    query = torch.eye(8)[:2]
    loss = moco(query, query, torch.eye(8)[2 : 2 + size], temperature=0.05)
    assert loss.item() == pytest.approx(math.log1p(size * math.exp(-20)), abs=1e-8)
    loss = moco(query, query, torch.eye(8)[2 : 2 + size], temperature=1.0)
    assert loss.item() == pytest.approx(math.log1p(size * math.exp(-1)), rel=1e-5)


def test_moco_leaves_out_the_query_s_own_translation() -> None:
    query, queue = units(1, 1), torch.cat([units(1, 1), units(1, 5)])
    masked = torch.tensor([[True, False]])
    torch.testing.assert_close(
        moco(query, query, queue, 1.0, masked), moco(query, query, queue[1:], 1.0)
    )


def test_additive_margin_without_margin_is_info_nce_across_languages() -> None:
    x, y = units(5, 1), units(5, 2)
    torch.testing.assert_close(
        additive_margin(x, y, margin=0.0, scale=10.0), 2 * weak_words(x, y, 0.1)
    )


def test_additive_margin_is_the_plain_formula() -> None:
    x, y = units(3, 1), units(3, 2)
    phi = (x @ y.T - 0.3 * torch.eye(3)) * 20
    gold = torch.arange(3)
    wanted = F.cross_entropy(phi, gold) + F.cross_entropy(phi.T, gold)
    torch.testing.assert_close(additive_margin(x, y), wanted)


def test_squared_distance_by_element_and_by_word() -> None:
    x, y = torch.zeros(2, 4), torch.ones(2, 4)
    assert float(squared_distance(x, y)) == 1
    assert float(squared_distance(x, y, "sum")) == 4
    assert float(squared_distance(x[:0], y[:0])) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0.0}, "temperature = 0.0: expected a number above 0"),
        ({"no_negatives": "no"}, 'no_negatives = "no": expected one of raise, skip'),
        ({"negatives": POSITIVES}, "both positive and negative"),
        ({"positives": POSITIVES[:, :2]}, r"Found similarity \(1, 4\), positives \(1, 2\)"),
    ],
)
def test_wrong_arguments_are_named(change: dict[str, object], message: str) -> None:
    arguments = {
        "similarity": torch.tensor(SIMILARITY),
        "positives": POSITIVES,
        "negatives": ~POSITIVES,
        **change,
    }
    with pytest.raises(ValueError, match=message):
        contrastive(**arguments)  # type: ignore[arg-type]
