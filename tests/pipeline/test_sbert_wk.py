"""SBERT-WK, vectorised, equals its formulas with a QR a piece, and stands degenerate layers."""

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlfa_spacy.pipeline.sbert_wk import sbert_wk, sbert_wk_shares


def layers_of(count: int, pieces: int, width: int = 16, seed: int = 0) -> torch.Tensor:
    """Layers that change step by step, as those of an encoder do."""
    generator = torch.Generator().manual_seed(seed)
    steps = 0.5 * torch.randn(count, pieces, width, generator=generator)
    steps[0] = 2 * torch.randn(pieces, width, generator=generator)
    return steps.cumsum(0)


def plain_piece(feature: NDArray, window: int) -> NDArray:
    """One piece `(K, E)` with a QR for each layer."""
    count = len(feature)
    novelty, alignment = numpy.zeros(count), numpy.zeros(count)
    for k in range(count):
        near = [j for j in range(k - window, k + window + 1) if 0 <= j < count and j != k]
        columns = numpy.stack([feature[j] for j in [*near, k]], axis=1)
        _, r = numpy.linalg.qr(columns)
        last = r[:, -1]
        unit = r[:-1, :-1] / numpy.linalg.norm(r[:-1, :-1], axis=0)
        product = unit.mean(axis=1) @ last[:-1] / numpy.linalg.norm(last[:-1])
        novelty[k] = abs(last[-1]) / numpy.linalg.norm(last)
        alignment[k] = 1 / (2 * len(columns[0]) * product) if product > 1e-6 else 0
    weights = novelty / novelty.sum() + alignment / alignment.sum()
    return weights / weights.sum()


def plain_text(states: NDArray, window: int) -> NDArray:
    """One text `(K, n, E)`."""
    vectors, variances = [], []
    for i in range(states.shape[1]):
        feature = states[:, i]
        vectors.append(plain_piece(feature, window) @ feature)
        unit = feature / numpy.linalg.norm(feature, axis=1, keepdims=True)
        variances.append(numpy.var(numpy.diagonal(unit @ unit.T, offset=-1)))
    return numpy.array(variances) / sum(variances) @ numpy.array(vectors)


@pytest.mark.parametrize("count, window", [(9, 2), (5, 2), (4, 1), (3, 2), (7, 9)])
def test_equals_its_formulas(count: int, window: int) -> None:
    states = layers_of(count, 11).double()
    found = sbert_wk(states, torch.tensor([4, 1, 6]), window)
    parts = numpy.split(states.numpy(), [4, 5], axis=1)
    expected = [plain_text(part, window) for part in parts]
    numpy.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-8)


def test_layers_wider_than_deep_and_deeper_than_wide() -> None:
    states = layers_of(9, 5, width=3).double()
    assert torch.isfinite(sbert_wk(states, torch.tensor([5]))).all()


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    count=st.integers(2, 8),
    seed=st.integers(0, 50),
)
@settings(max_examples=40, deadline=None)
def test_texts_do_not_touch_each_other(lengths: list[int], count: int, seed: int) -> None:
    states = layers_of(count, sum(lengths), seed=seed)
    together = sbert_wk(states, torch.tensor(lengths))
    begin = 0
    for i, length in enumerate(lengths):
        own = states[:, begin : begin + length]
        alone = sbert_wk(own, torch.tensor([length]))[0]
        torch.testing.assert_close(together[i], alone, rtol=1e-4, atol=1e-5)
        assert torch.isfinite(alone).all()
        begin += length
    _, shares = sbert_wk_shares(states, torch.tensor(lengths))
    assert float(shares.sum()) == pytest.approx(sum(length > 0 for length in lengths), abs=1e-4)


def test_degenerate_layers_give_a_mean_and_no_nan() -> None:
    same = layers_of(1, 3).repeat(6, 1, 1)
    torch.testing.assert_close(
        sbert_wk(same, torch.tensor([3]))[0], same[0].mean(dim=0), rtol=1e-3, atol=1e-3
    )
    assert torch.equal(sbert_wk(torch.zeros(6, 3, 4), torch.tensor([3])), torch.zeros(1, 4))
    opposed = layers_of(1, 3).repeat(6, 1, 1)
    opposed[::2] *= -1
    assert torch.isfinite(sbert_wk(opposed, torch.tensor([3]))).all()


def test_a_piece_that_changes_more_counts_more() -> None:
    generator = torch.Generator().manual_seed(0)
    still = torch.randn(8, generator=generator).repeat(7, 1)
    still += 0.01 * torch.randn(7, 8, generator=generator)
    moving = torch.randn(7, 8, generator=generator)
    _, shares = sbert_wk_shares(torch.stack([still, moving], dim=1), torch.tensor([2]))
    assert shares[1] > 0.99


def test_errors_say_what_to_do() -> None:
    for count, window in ((1, 2), (4, 0)):
        with pytest.raises(ValueError, match=f"{count} layers with window = {window}.*Fix:"):
            sbert_wk(layers_of(count, 2), torch.tensor([2]), window)
