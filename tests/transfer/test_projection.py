"""The projection of GEM: worked examples, and that it is the nearest gradient that is allowed."""

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlfa_spacy.transfer.projection import gem_weights

G = numpy.array([1.0, -2.0, 0.5])
R1, R2, R3 = (numpy.array(x) for x in ([0.5, 1, 0], [-1, 0.2, 1], [1.0, 0, 0]))


def project(g: numpy.ndarray, rows: numpy.ndarray, margin: float = 0.0) -> numpy.ndarray:
    return g + gem_weights(rows @ rows.T, rows @ g, margin) @ rows


@pytest.mark.parametrize(
    ("rows", "margin", "v", "x"),
    [
        ([R1], 0.0, [1.2], [1.6, -0.8, 0.5]),
        ([R1, R2], 0.0, [1.353659, 0.640244], [1.036585, -0.518293, 1.140244]),
        ([R1, R3], 0.0, [1.2, 0.0], [1.6, -0.8, 0.5]),
        ([R1, R3], 0.5, [1.0, 0.5], [2.0, -1.0, 0.5]),
        ([R1, R3], 1.5, [1.5, 1.5], [3.25, -0.5, 0.5]),
        # A-GEM: one reference, the mean of all.
        ([(R1 + R2) / 2], 0.0, None, [0.553903, -0.929368, 1.392193]),
    ],
)
def test_worked_examples(
    rows: list[numpy.ndarray], margin: float, v: list[float] | None, x: list[float]
) -> None:
    table = numpy.array(rows)
    found = gem_weights(table @ table.T, table @ G, margin)
    if v is not None:
        assert found == pytest.approx(v, abs=1e-6)
    assert project(G, table, margin) == pytest.approx(x, abs=1e-6)


def test_nothing_is_changed_where_nothing_is_violated() -> None:
    g = numpy.array([1.0, 0, 0])
    assert (project(g, R1[None]) == g).all()
    # With a margin, too: the problem is not even posed.
    assert (project(g, R1[None], 0.5) == g).all()
    assert (project(G, G[None]) == G).all()


def test_the_opposite_gradient_leaves_nothing() -> None:
    assert project(G, -G[None]) == pytest.approx(numpy.zeros(3), abs=1e-12)


def test_parallel_and_zero_references() -> None:
    once = project(G, R1[None])
    assert project(G, numpy.array([R1, 2 * R1])) == pytest.approx(once, abs=1e-9)
    assert project(G, numpy.array([R1, 0 * R1])) == pytest.approx(once, abs=1e-12)
    assert (project(G, 0 * R1[None]) == G).all()


@given(st.integers(0, 10_000), st.integers(1, 3))
def test_no_reference_is_harmed_and_nothing_nearer_is_allowed(seed: int, k: int) -> None:
    rng = numpy.random.default_rng(seed)
    g, rows = rng.normal(size=8), rng.normal(size=(k, 8))
    x = project(g, rows)
    assert (rows @ x).min() >= -1e-9
    candidates = rng.normal(size=(1000, 8)) * rng.uniform(0, 2, size=(1000, 1)) + g
    allowed = candidates[(candidates @ rows.T >= 0).all(axis=1)]
    assert (((allowed - g) ** 2).sum(axis=1) >= ((x - g) ** 2).sum() - 1e-9).all()
