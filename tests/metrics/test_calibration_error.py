"""Reliability, calibration error and risk by coverage, against plain numpy."""

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfa_spacy.metrics.calibration import BINS, Calibration


def counted(confidence: list[float], correct: list[bool]) -> Calibration:
    made = Calibration()
    made.add(confidence, correct)
    return made


def test_the_error_is_that_of_the_paper_by_hand() -> None:
    # Bins of a fifteenth: 0.95 and 0.97 share one, 0.5 has another.
    made = counted([0.95, 0.97, 0.5], [True, False, True])
    assert made.error == pytest.approx(2 / 3 * abs(0.5 - 0.96) + 1 / 3 * abs(1 - 0.5))
    assert (made.n, made.accuracy) == (3, pytest.approx(2 / 3))
    assert made.confidence == pytest.approx((0.95 + 0.97 + 0.5) / 3)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 999), st.booleans()), min_size=1, max_size=60))
def test_counting_in_parts_is_counting_at_once(rows: list[tuple[int, bool]]) -> None:
    confidence = numpy.array([row[0] for row in rows]) / 1000
    correct = numpy.array([row[1] for row in rows])
    made = counted(confidence[:7].tolist(), correct[:7].tolist())
    made.add(confidence[7:], correct[7:])
    numbers = numpy.minimum((confidence * BINS).astype(int), BINS - 1)
    expected = 0.0
    for number in set(numbers.tolist()):
        own = numbers == number
        expected += own.mean() * abs(correct[own].mean() - confidence[own].mean())
    assert made.error == pytest.approx(expected, abs=1e-12)


def test_risk_keeps_the_most_certain_first() -> None:
    made = counted([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05], [True] * 6 + [False] * 4)
    assert made.risk()[0.6] == pytest.approx(0)
    assert made.risk()[0.8] == pytest.approx(2 / 8)
    assert made.risk()[1.0] == pytest.approx(4 / 10)


def test_what_is_equally_certain_is_kept_in_equal_parts() -> None:
    made = counted([0.7] * 4, [True, True, False, False])
    assert list(made.risk().values()) == pytest.approx([0.5] * 6)


def test_nothing_counted_has_no_error_and_no_risk() -> None:
    assert (Calibration().error, Calibration().risk()) == (0.0, {})


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="expected 0 to 1"):
        Calibration().add([value], [True])
