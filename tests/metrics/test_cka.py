"""CKA: known values, what it must not see, what it must be for noise, and its batches."""

import itertools

import numpy
import pytest
from golden import fill
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dlfa_spacy.metrics.cka import (
    KERNELS,
    KINDS,
    cka,
    cka_kinds,
    disjoint_batches,
    hsic_biased,
    hsic_unbiased,
    rbf_kernel,
    shuffled_rows,
)


def noise(*shape: int, seed: int = 0) -> NDArray:
    return numpy.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("kernel, value", [("linear", 0.0323812), ("rbf", 0.0442525)])
def test_known_values(kernel: str, value: float) -> None:
    x, y = fill((6, 3), 1.0, 0.1).numpy(), fill((6, 2), 1.0, 2.0).numpy()
    assert cka(x, y, kernel, debiased=False) == pytest.approx(value, abs=5e-8)


def test_linear_cka_is_the_one_of_feature_space() -> None:
    x, y = noise(20, 5), noise(20, 7, seed=1)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    norm = numpy.linalg.norm
    expected = norm(b.T @ a) ** 2 / (norm(a.T @ a) * norm(b.T @ b))
    assert cka(x, y, "linear", debiased=False) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("kernel, debiased", KINDS)
def test_a_set_is_like_itself_moved_turned_and_scaled(kernel: str, debiased: bool) -> None:
    x = noise(30, 6)
    turn, _ = numpy.linalg.qr(noise(6, 6, seed=1))
    other = 7.5 * x @ turn + 100.0
    assert cka(x, x, kernel, debiased) == pytest.approx(1.0)
    assert cka(x, other, kernel, debiased) == pytest.approx(1.0)
    y = noise(30, 4, seed=2) + x[:, :4]
    assert cka(other, y, kernel, debiased) == pytest.approx(cka(x, y, kernel, debiased))
    assert cka(x, y, kernel, debiased) == pytest.approx(cka(y, x, kernel, debiased))


def test_stretching_one_direction_is_seen() -> None:
    x = noise(30, 6)
    assert cka(x, x * numpy.array([9, 1, 1, 1, 1, 1]), "linear") < 0.9


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_noise_is_near_0_debiased_and_near_1_biased(kernel: str) -> None:
    pairs = [(noise(100, 768, seed=2 * i), noise(100, 768, seed=2 * i + 1)) for i in range(12)]
    debiased = [cka(x, y, kernel) for x, y in pairs]
    assert abs(numpy.mean(debiased)) < 0.01
    assert min(debiased) < 0 < max(debiased)
    wanted = {"linear": 0.89, "rbf": 0.93}[kernel]
    assert cka(*pairs[0], kernel, debiased=False) == pytest.approx(wanted, abs=0.01)


def test_hsic_1_is_the_mean_over_four_different_rows() -> None:
    k, m = (KERNELS["rbf"](noise(7, 3, seed=seed)) for seed in (0, 1))
    total = count = 0.0
    for i, j, q, r in itertools.permutations(range(7), 4):
        total += k[i, j] * m[i, j] + k[i, j] * m[q, r] - 2 * k[i, j] * m[i, q]
        count += 1
    assert hsic_unbiased(k, m) == pytest.approx(total / count, rel=1e-9)


def test_hsic_0_is_the_trace() -> None:
    k, m = (KERNELS["rbf"](noise(7, 3, seed=seed)) for seed in (0, 1))
    h = numpy.eye(7) - 1 / 7
    assert hsic_biased(k, m) == pytest.approx(numpy.trace(k @ h @ m @ h))


def test_all_kinds_at_once_are_those_one_by_one() -> None:
    x, y = noise(12, 5), noise(12, 5, seed=1)
    assert cka_kinds(x, y) == {kind: cka(x, y, *kind) for kind in KINDS}


def test_the_kernels_width_is_the_median_of_the_distances_that_are_not_zero() -> None:
    # Equal rows, far from 0: rounding must not make a distance of them.
    x = numpy.array([[1e4, 0.0]] * 4 + [[1e4 + 2.0, 0.0]])
    assert rbf_kernel(x)[0, 4] == pytest.approx(numpy.exp(-0.5))
    assert rbf_kernel(x)[0, 1] == 1.0


@pytest.mark.parametrize("kernel, debiased", KINDS)
def test_what_does_not_vary_is_like_nothing(kernel: str, debiased: bool) -> None:
    assert cka(numpy.ones((9, 3)), noise(9, 3), kernel, debiased) == 0.0


def test_errors_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="3 sentences.*Fix:"):
        cka(noise(3, 2), noise(3, 2))
    with pytest.raises(ValueError, match="5 and 6 sentences.*Fix:"):
        cka(noise(5, 2), noise(6, 2))
    with pytest.raises(ValueError, match='"cosine".*Fix:'):
        cka(noise(5, 2), noise(5, 2), "cosine")


@given(n=st.integers(1, 500), size=st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_batches_share_nothing_and_leave_nothing_out(n: int, size: int) -> None:
    parts = [list(range(n))[part] for part in disjoint_batches(n, size)]
    assert [i for part in parts for i in part] == list(range(n))
    assert min(map(len, parts)) >= min(n, size)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(n=st.integers(2, 200), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_shuffled_no_row_stays(n: int, seed: int) -> None:
    rows = shuffled_rows(n, seed)
    assert sorted(rows) == list(range(n))
    assert (rows != numpy.arange(n)).all()
    assert (rows == shuffled_rows(n, seed)).all()
