"""Which wordpieces linked words own: equal to looking at one word after the other."""

import numpy
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import tiny_bert, unigram_tokenizer
from transformers import AutoTokenizer

from dlfa_spacy.alignment.parallel import SentencePair, linked_rows, pair_docs
from dlfa_spacy.encoder.pieces import PieceTokenizer
from dlfa_spacy.encoder.spans import WordpieceSpans
from dlfa_spacy.encoder.windows import Windows, segment

VOCAB = spacy.blank("xx").vocab
# \u200b has no wordpieces; the long one is longer than a window.
WORDS = ["Anna", "Berlin", "unable", "日", "x" * 9, "\u200b", "in", ".", "😀"]


@pytest.fixture(scope="module", params=["bert", "unigram"])
def tokenizer(request, tmp_path_factory) -> PieceTokenizer:
    if request.param == "unigram":
        return PieceTokenizer(unigram_tokenizer())
    folder = tiny_bert(tmp_path_factory.mktemp("bert"))
    return PieceTokenizer(AutoTokenizer.from_pretrained(folder))


@st.composite
def batches(draw: st.DrawFn) -> list[SentencePair]:
    words = st.lists(st.sampled_from(WORDS), max_size=8)
    pairs = []
    for _ in range(draw(st.integers(0, 4))):
        source, target = draw(words), draw(words)
        links = []
        if source and target:
            ends = st.tuples(st.integers(0, len(source) - 1), st.integers(0, len(target) - 1))
            links = draw(st.lists(ends, max_size=6))
        pairs.append(SentencePair("de", source, target, links))
    return pairs


def both(pairs: list[SentencePair], tokenizer: PieceTokenizer) -> list[Windows]:
    getter = WordpieceSpans(6, 4)
    return [segment(docs, getter, tokenizer, 64) for docs in pair_docs(pairs, VOCAB)]


def plain(windows: Windows, doc: int, word: int, word_repr: str) -> list[int]:
    """One word's rows, found in its Doc's own alignment."""
    align = windows.doc_align(doc)
    first = int(windows.doc_rows[doc])
    begin = int(align.lengths[:word].sum())
    rows = (align.dataXd[begin : begin + int(align.lengths[word])] + first).tolist()
    return {"first": rows[:1], "last": rows[-1:], "mean": rows}[word_repr]


@pytest.mark.parametrize("word_repr", ["first", "last", "mean"])
@settings(max_examples=30, deadline=None)
@given(pairs=batches())
def test_rows_are_those_of_one_word_after_the_other(
    tokenizer: PieceTokenizer, word_repr: str, pairs: list[SentencePair]
) -> None:
    source, target = both(pairs, tokenizer)
    found = linked_rows(pairs, source, target, word_repr)
    wanted, lost = [], 0
    for doc, pair in enumerate(pairs):
        for a, b in pair.links:
            rows = plain(source, doc, a, word_repr), plain(target, doc, b, word_repr)
            if all(rows):
                wanted.append((doc, (a, b), *rows))
            else:
                lost += 1
    split = [
        numpy.split(side.dataXd, numpy.cumsum(side.lengths)[:-1]) if len(side.lengths) else []
        for side in (found.source, found.target)
    ]
    assert [
        (int(doc), tuple(map(int, link)), a.tolist(), b.tolist())
        for doc, link, a, b in zip(found.pairs, found.links, *split, strict=True)
    ] == wanted
    assert found.lost == lost


def test_first_and_last_pieces_are_the_words_ends(tokenizer: PieceTokenizer) -> None:
    pairs = [SentencePair("de", ["in", "Berlin"], ["unable", "Anna"], [(1, 0)])]
    source, target = both(pairs, tokenizer)
    first, last, mean = (
        linked_rows(pairs, source, target, word_repr) for word_repr in ("first", "last", "mean")
    )
    assert first.source.dataXd.tolist() == mean.source.dataXd[:1].tolist()
    assert last.source.dataXd.tolist() == mean.source.dataXd[-1:].tolist()
    ids = tokenizer(["Berlin"]).ids.tolist()
    if tokenizer.is_fast and len(source.lengths) == 1:
        assert source.ids[mean.source.dataXd].tolist()[-1] == ids[-1]


def test_a_link_past_the_words_is_named(tokenizer: PieceTokenizer) -> None:
    pairs = [SentencePair("de", ["a"], ["b"]), SentencePair("de", ["a"], ["b"], [(0, 1)])]
    with pytest.raises(ValueError, match="pair 1 .*word 1, expected 0 to 0"):
        linked_rows(pairs, *both(pairs, tokenizer))
    with pytest.raises(ValueError, match='word_repr = "middle"'):
        linked_rows(pairs, *both(pairs, tokenizer), word_repr="middle")
