"""Stretches of words over links: what must hold whatever the links are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlfa_spacy.annotation.projection import REASONS, Carried, carry

SIZE = 8
SPANS = st.sets(st.integers(0, SIZE), max_size=6).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)
LINKS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)))


@pytest.mark.parametrize(
    ("spans", "links", "max_gap", "found"),
    [
        # Words change places inside, and one is linked to two.
        ([(0, 2)], [(0, 5), (1, 4), (1, 3)], 0, [(3, 6, "")]),
        ([(0, 2)], [(2, 0)], 1, [(0, 0, "unlinked")]),
        ([(0, 2)], [(0, 0), (1, 2)], 1, [(0, 3, "")]),
        ([(0, 2)], [(0, 0), (1, 2)], 0, [(0, 3, "gap")]),
        ([(0, 2)], [(0, 0), (1, 3)], 1, [(0, 4, "gap")]),
        # Both are lost, as nobody knows whose word 1 is.
        ([(0, 1), (1, 2)], [(0, 0), (0, 1), (1, 1)], 1, [(0, 2, "overlap"), (1, 2, "overlap")]),
        # One that is lost already takes nothing away.
        ([(0, 2), (2, 3)], [(0, 0), (1, 4), (2, 2)], 1, [(0, 5, "gap"), (2, 3, "")]),
        ([], [(0, 0)], 1, []),
    ],
)
def test_a_stretch_goes_from_the_least_to_the_greatest_linked_word(
    spans: list[tuple[int, int]],
    links: list[tuple[int, int]],
    max_gap: int,
    found: list[tuple[int, int, str]],
) -> None:
    assert carry(spans, links, max_gap) == [Carried(*one) for one in found]


@given(SPANS, st.integers(0, 2))
def test_along_the_identity_everything_stays(spans: list[tuple[int, int]], max_gap: int) -> None:
    identity = [(i, i) for i in range(SIZE)]
    assert carry(spans, identity, max_gap) == [Carried(*span) for span in spans]


@given(SPANS, LINKS, st.integers(0, SIZE))
def test_what_is_kept_is_linked_in_range_and_apart(
    spans: list[tuple[int, int]], links: list[tuple[int, int]], max_gap: int
) -> None:
    found = carry(spans, links, max_gap)
    assert len(found) == len(spans)
    taken: list[int] = []
    for (start, end), one in zip(spans, found, strict=True):
        there = {b for a, b in links if start <= a < end}
        if there:
            assert (one.start, one.end) == (min(there), max(there) + 1)
        else:
            assert one == (0, 0, "unlinked")
        assert not one.lost or one.lost in REASONS
        if not one.lost:
            own = range(one.start, one.end)
            assert all(there & set(own[i : i + max_gap + 1]) for i in range(len(own) - max_gap))
            taken += own
    assert len(taken) == len(set(taken))
