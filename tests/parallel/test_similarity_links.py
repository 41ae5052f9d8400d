"""Links between words by their vectors."""

import numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dlfa_spacy.parallel import link_by_similarity

GENERATOR = numpy.random.default_rng(0)
WORDS = GENERATOR.standard_normal((6, 16)).astype("float32")
VECTORS = arrays(
    "float32", st.tuples(st.integers(0, 7), st.just(3)), elements=st.sampled_from([-1, 0, 1])
)


def test_words_are_linked_in_any_order_and_whatever_the_language_adds() -> None:
    order = [3, 0, 5, 1, 4, 2]
    links = link_by_similarity(WORDS[order] + 40, WORDS)
    assert links == list(enumerate(order))


def test_one_word_is_the_translation_of_neighbors_that_resemble_it() -> None:
    other = WORDS + 0.1 * GENERATOR.standard_normal(WORDS.shape).astype("float32")
    # Word 2 in two parts, of which one is nearer to the whole.
    parts = other[2] + 0.3 * GENERATOR.standard_normal((1, 16)).astype("float32")
    foreign = numpy.concatenate([other[:3], parts, other[3:]])
    links = link_by_similarity(foreign, WORDS)
    assert links == [(0, 0), (1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 5)]
    # The same part, away from the rest of its word, is not linked.
    apart = numpy.concatenate([other, parts])
    assert link_by_similarity(apart, WORDS) == [(i, i) for i in range(6)]


def test_one_word_has_no_mean_to_subtract() -> None:
    assert link_by_similarity(WORDS[:1], WORDS[:1]) == [(0, 0)]
    assert (0, 2) in link_by_similarity(WORDS[2:3], WORDS)


def test_words_without_a_vector_and_empty_sides_have_no_links() -> None:
    holed = WORDS.copy()
    holed[[1, 4]] = 0
    links = link_by_similarity(holed, WORDS)
    assert {(i, i) for i in (0, 2, 3, 5)} <= set(links)
    assert not {1, 4} & {here for here, _ in links}
    for nothing in (WORDS[:0], 0 * WORDS):
        assert link_by_similarity(nothing, WORDS) == link_by_similarity(WORDS, nothing) == []


@settings(max_examples=100, deadline=None)
@given(VECTORS, VECTORS)
def test_links_point_at_words_that_have_vectors(
    source: numpy.ndarray, target: numpy.ndarray
) -> None:
    links = link_by_similarity(source, target)
    assert links == sorted(set(links))
    assert all(source[i].any() and target[j].any() for i, j in links)
    assert bool(links) == bool(source.any() and target.any())
