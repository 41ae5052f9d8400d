"""Texts of any characters, also of half ones, and rows of the same: every one becomes a Doc."""

import re
import time
import warnings

import pytest
import spacy
from fuzzing import SECONDS, fuzz
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import DocBin
from tiny import unigram_tokenizer

from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.segment.segmenter import Segmenter
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.pairs import SEPARATOR
from dlfa_spacy.tokenizer import SurrogateWarning, make_tokenizer

pytestmark = pytest.mark.slow

STOCK = spacy.blank("xx")
OURS = make_tokenizer(STOCK)
PIECES = PieceTokenizer(unigram_tokenizer())
ANY = st.characters(exclude_categories=())
SIGNS = st.sampled_from(
    list("😀🎉👍🏽()[]!?.,:;-_'\"…€#&<>=*/\\|\u200d\ufe0f\u0301\u0e31 \n\t\xa0")
)
UNITS = st.sampled_from(
    ["a", "中", "か", "ไท", "http://a.b/", "can't", ":)", "''", "...", SEPARATOR, "\ud83d", "U.S."]
)
ROWS = st.tuples(st.text(ANY | SIGNS, max_size=3) | UNITS, st.integers(1, 700)).map(
    lambda row: row[0] * row[1]
)
TEXTS = st.text(ANY | SIGNS, max_size=40) | st.lists(ROWS | UNITS, max_size=4).map("".join)


@fuzz
@given(TEXTS)
def test_every_text_becomes_a_doc_and_windows(text: str) -> None:
    expected, n_halves = re.subn("[\ud800-\udfff]", "\ufffd", text)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        doc = OURS(text)
    assert doc.text == expected
    said = [str(w.message) for w in caught if issubclass(w.category, SurrogateWarning)]
    assert len(said) == (n_halves > 0) and all(f" {n_halves} " in line for line in said)
    assert len(DocBin(docs=[doc]).to_bytes())
    windows = Segmenter(PIECES, WordpieceSpans(40, 30), 64)([doc])
    assert len(windows.align.lengths) == len(doc)
    assert windows.lengths.max(initial=0) <= 64
    assert time.process_time() - start < SECONDS


@fuzz
@given(st.lists(TEXTS, max_size=3))
def test_a_pipe_never_ends_early(texts: list[str]) -> None:
    nlp = spacy.blank("xx")
    nlp.tokenizer = OURS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SurrogateWarning)
        assert len(list(nlp.pipe(texts))) == len(texts)
