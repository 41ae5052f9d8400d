"""Retrieval equals a plain computation whatever the blocks, and similarity has its controls."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlfa_spacy.metrics.cka import shuffled_rows
from dlfa_spacy.metrics.retrieval import retrieval
from dlfa_spacy.metrics.similarity import centred, cosine_rows, mean_cosine, random_pair_cosine


def noise(*shape: int, seed: int = 0) -> NDArray:
    return numpy.random.default_rng(seed).normal(size=shape)


def plain_retrieval(x: NDArray, y: NDArray, k: int) -> tuple[float, float, float, float]:
    """CSLS pair by pair, as it is written."""
    n = len(x)
    cos = [[float(a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b)) for b in y] for a in x]
    k = min(k, n)
    r_y = [sum(sorted(cos[i], reverse=True)[:k]) / k for i in range(n)]
    r_x = [sum(sorted((cos[i][j] for i in range(n)), reverse=True)[:k]) / k for j in range(n)]
    csls = [[2 * cos[i][j] - r_y[i] - r_x[j] for j in range(n)] for i in range(n)]

    def hits(table: list[list[float]]) -> tuple[float, float]:
        there = sum(max(range(n), key=table[i].__getitem__) == i for i in range(n))
        back = sum(max(range(n), key=lambda i: table[i][j]) == j for j in range(n))
        return there / n, back / n

    return *hits(cos), *hits(csls)


@given(
    n=st.integers(1, 40), k=st.integers(1, 12), block=st.integers(1, 50), seed=st.integers(0, 99)
)
@settings(max_examples=40, deadline=None)
def test_equals_a_plain_computation(n: int, k: int, block: int, seed: int) -> None:
    x = noise(n, 5, seed=seed)
    y = x + 0.8 * noise(n, 5, seed=seed + 100) + 0.7
    found = retrieval(x, y, k, block)
    expected = plain_retrieval(x.astype("f"), y.astype("f"), k)
    assert found.n == n
    assert (
        found.cosine_forward,
        found.cosine_backward,
        found.csls_forward,
        found.csls_backward,
    ) == pytest.approx(expected)


def test_csls_finds_what_a_hub_hides() -> None:
    x = noise(60, 8)
    y = x + 1.2 * noise(60, 8, seed=1)
    # One vector near the mean of everything: the nearest to many by cosine.
    x[:, 0] += 4
    y[:, 0] += 4
    y[0] = 0
    y[0, 0] = 1
    found = retrieval(x, y)
    assert found.csls_forward > found.cosine_forward + 0.05


def test_equal_vectors_find_nothing() -> None:
    found = retrieval(numpy.ones((50, 3)), numpy.ones((50, 3)))
    assert found.cosine_forward == found.csls_backward == 1 / 50


def test_a_row_of_zeros_does_no_harm() -> None:
    x = noise(10, 4)
    x[3] = 0
    found = retrieval(x, x)
    assert found.cosine_forward >= 0.9 and not numpy.isnan(found.csls_forward)


def test_errors_say_what_to_do() -> None:
    for x, y in ((noise(3, 4), noise(2, 4)), (noise(0, 4), noise(0, 4)), (noise(3), noise(3))):
        with pytest.raises(ValueError, match="Fix:"):
            retrieval(x, y)
    with pytest.raises(ValueError, match="k = 0.*Fix:"):
        retrieval(noise(3, 4), noise(3, 4), k=0)


def test_the_mean_cosine_is_scikit_learns() -> None:
    from sklearn.metrics.pairwise import paired_distances

    x, y = noise(30, 6), noise(30, 6, seed=1)
    expected = 1 - paired_distances(x, y, metric="cosine")
    assert mean_cosine(x, y) == pytest.approx(expected.mean(), abs=1e-6)
    numpy.testing.assert_allclose(cosine_rows(x, y), expected, atol=1e-6)


def test_a_crowded_space_looks_aligned_until_it_is_shuffled() -> None:
    x, y = noise(200, 16) + 9, noise(200, 16, seed=1) + 9
    order = shuffled_rows(200, 0)
    assert mean_cosine(x, y) > 0.95
    assert mean_cosine(x, y) - mean_cosine(x, y[order]) == pytest.approx(0, abs=0.01)
    assert random_pair_cosine(x) > 0.95
    assert abs(random_pair_cosine(centred(x))) < 0.05
    assert numpy.isnan(random_pair_cosine(x[:1]))


def test_centring_takes_away_what_is_the_language() -> None:
    x = noise(100, 8)
    y = x + 0.3 * noise(100, 8, seed=1) + numpy.array([30, -20, 0, 5, 0, 0, 0, 0])
    assert retrieval(x, y).cosine_backward < 0.3
    assert retrieval(centred(x), centred(y)).cosine_backward > 0.9
    numpy.testing.assert_allclose(centred(numpy.stack([x, y]))[1], centred(y))
