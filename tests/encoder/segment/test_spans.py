"""Cutting a text into windows of wordpieces, and the span getter that does it."""

import pickle
import time

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.segment.spans import WordpieceSpans, cut, wordpiece_spans_v1


def one_token_each(lengths: list[int]) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Pieces of tokens that do not share any: `lengths` pieces each; 0 for a piece of nobody."""
    first: list[int] = []
    last: list[int] = []
    token = 0
    for length in lengths:
        if length == 0:
            first.append(token)
            last.append(token - 1)
        else:
            first.extend([token] * length)
            last.extend([token] * length)
            token += 1
    return numpy.asarray(first, dtype="int64"), numpy.asarray(last, dtype="int64")


def splits_of(first: numpy.ndarray, last: numpy.ndarray) -> set[int]:
    """Independent of the code under test: where no token has pieces on both sides."""
    found = {0, len(first)}
    for p in range(1, len(first)):
        before = {t for a, b in zip(first[:p], last[:p], strict=True) for t in range(a, b + 1)}
        after = {t for a, b in zip(first[p:], last[p:], strict=True) for t in range(a, b + 1)}
        if not before & after:
            found.add(p)
    return found


def assert_good_windows(
    cuts: list[tuple[int, int]], splits: set[int], total: int, window: int, stride: int
) -> None:
    covered = [p for a, b in cuts for p in range(a, b)]
    assert set(covered) == set(range(total))
    assert all(0 < b - a <= window for a, b in cuts)
    for (a, b), (c, d) in zip(cuts, cuts[1:], strict=False):
        assert a < c <= b < d, "no gap, and every window adds something"
    for a, b in cuts:
        if b not in splits:
            assert not any(a < s <= b for s in splits), "ended inside a token without need"
        if a not in splits:
            assert not any(a - stride < s <= a for s in splits), "began inside a token without need"


def test_a_text_that_fits_is_one_window():
    assert cut(*one_token_each([1, 2, 3]), 6, 4) == [(0, 6)]
    assert cut(*one_token_each([]), 6, 4) == []


def test_windows_end_between_tokens():
    assert cut(*one_token_each([3, 3, 3]), 5, 5) == [(0, 3), (3, 6), (6, 9)]


def test_windows_overlap_when_the_stride_is_shorter():
    assert cut(*one_token_each([1] * 10), 6, 4) == [(0, 6), (4, 10)]


def test_a_window_begins_between_tokens_even_when_the_first_token_exceeds_the_stride():
    # The first token has 5 pieces, more than the stride of 4: piece 4 is inside it.
    assert cut(*one_token_each([5, 1, 1, 1]), 6, 4) == [(0, 6), (5, 8)]
    assert cut(*one_token_each([5, 5, 5]), 6, 4) == [(0, 5), (5, 10), (10, 15)]


def test_no_window_lies_inside_the_one_before():
    # The second token does not fit behind what the windows would share.
    cuts = cut(*one_token_each([1] * 6 + [20]), 8, 4)
    assert cuts[:2] == [(0, 6), (6, 14)]


def test_a_token_longer_than_a_window_is_windowed_with_overlap():
    assert cut(*one_token_each([10]), 6, 4) == [(0, 6), (4, 10)]
    assert cut(*one_token_each([2, 10, 2]), 6, 4) == [(0, 2), (2, 8), (6, 12), (12, 14)]


LENGTHS = st.lists(st.integers(0, 9) | st.just(1) | st.integers(20, 40), max_size=40)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(LENGTHS, st.integers(1, 14), st.integers(1, 14))
def test_every_piece_is_in_a_window_and_windows_respect_tokens(lengths, window, stride):
    stride = min(window, stride)
    first, last = one_token_each(lengths)
    cuts = cut(first, last, window, stride)
    assert_good_windows(cuts, splits_of(first, last), len(first), window, stride)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 3)), max_size=60),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_pieces_that_span_several_tokens_are_respected_too(steps, window, stride):
    stride = min(window, stride)
    first = numpy.cumsum([step for step, _ in steps]).astype("int64")
    last = first + numpy.asarray([width for _, width in steps], dtype="int64")
    cuts = cut(first, last, window, stride)
    assert_good_windows(cuts, splits_of(first, last), len(first), window, stride)


def seconds(total: int, lengths: list[int]) -> float:
    first, last = one_token_each(lengths * (total // sum(lengths)))
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        cuts = cut(first, last, 126, 96)
        best = min(best, time.process_time() - start)
        assert cuts[-1][1] == len(first)
    return best


@pytest.mark.parametrize("lengths", [[1], [1, 3, 2], [50_000]])
def test_cutting_takes_linear_time(lengths):
    # Ten times the pieces: a quadratic cut would take a hundred times as long.
    small, large = seconds(100_000, lengths), seconds(1_000_000, lengths)
    assert large < 40 * small


@pytest.fixture(scope="module")
def getter(bert):
    spans = wordpiece_spans_v1(6, 4)
    spans.bind(PieceTokenizer(AutoTokenizer.from_pretrained(bert)))
    return spans


def test_the_getter_cuts_docs_into_spans_of_few_wordpieces(getter):
    nlp = spacy.blank("xx")
    texts = ["", "Anna lives in Berlin Anna lives in Berlin", "\n\n", " Anna", "Anna"]
    docs = [nlp(text) for text in texts]
    spans = getter(docs)
    assert [len(doc_spans) > 0 for doc_spans in spans] == [False, True, False, True, True]
    for doc, doc_spans in zip(docs, spans, strict=True):
        assert all(span.doc is doc for span in doc_spans)
        assert all(len(getter.tokenizer([s.text]).ids) <= 6 for s in doc_spans)
        covered = {t.i for span in doc_spans for t in span}
        assert {t.i for t in doc if not t.is_space} <= covered
    assert [s.text for s in getter([docs[1]])[0]] == [s.text for s in spans[1]]


def test_an_unbound_getter_says_what_to_do():
    with pytest.raises(ValueError, match="wordpiece_spans.v1 does not know the tokenizer"):
        WordpieceSpans()([spacy.blank("xx")("a")])


@pytest.mark.parametrize("window, stride", [(6, 0), (6, 7), (0, 0), (-1, -1)])
def test_impossible_windows_are_refused(window, stride):
    with pytest.raises(ValueError, match=f"window = {window}, stride = {stride}"):
        WordpieceSpans(window, stride)


def test_a_pickled_getter_keeps_its_numbers_and_forgets_the_tokenizer(getter):
    loaded = pickle.loads(pickle.dumps(getter))
    assert (loaded.window, loaded.stride, loaded.tokenizer) == (6, 4, None)
