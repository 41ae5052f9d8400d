"""From Docs to windows of wordpieces: nothing truncated, nothing lost, whoever makes the spans."""

import random
import time

import numpy
import pytest
import spacy
import spacy_transformers  # noqa: F401  (registers its span getters)
from spacy.tokens import Doc
from tiny import tiny_bert, unigram_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.segment.segmenter import Segmenter
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.encoder.segment.windows import Windows
from dlfa_spacy.tokenizer import make_tokenizer

NLP = spacy.blank("xx")
NLP.add_pipe("sentencizer")
LIMIT = 64


@pytest.fixture(scope="module")
def bert_tokenizer(tmp_path_factory) -> PieceTokenizer:
    folder = tiny_bert(tmp_path_factory.mktemp("bert"))
    return PieceTokenizer(AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="module", params=["bert", "unigram", "no_special_tokens"])
def tokenizer(request, bert_tokenizer) -> PieceTokenizer:
    if request.param == "bert":
        return bert_tokenizer
    if request.param == "unigram":
        return PieceTokenizer(unigram_tokenizer())
    bare = Tokenizer(models.WordLevel({"<unk>": 0, "Anna": 1, "lives": 2, ".": 3}, "<unk>"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    return PieceTokenizer(PreTrainedTokenizerFast(tokenizer_object=bare, unk_token="<unk>"))


def text_of(seed: int, words: int) -> str:
    rng = random.Random(seed)
    known = ["Anna", "lives", "in", "Berlin", "unable", ".", "\n\n", " ", "日本語", "x" * 90, "😀"]
    return " ".join(rng.choice(known) for _ in range(words))


TEXTS = [text_of(seed, words) for seed, words in enumerate([0, 3, 200, 1, 40, 0, 300, 7])]
TEXTS += ["", " ", "\n\n", " Anna", "Anna ", "x" * 3000, "", "日" * 500, "Anna"]


def docs_of(texts: list[str]) -> list[Doc]:
    return [NLP(text) for text in texts]


GETTERS = {
    "wordpieces": lambda: WordpieceSpans(30, 20),
    "wordpieces_without_overlap": lambda: WordpieceSpans(62, 62),
    "wider_than_the_encoder": lambda: WordpieceSpans(126, 96),
    "docs": lambda: spacy.registry.get("span_getters", "spacy-transformers.doc_spans.v1")(),
    "sents": lambda: spacy.registry.get("span_getters", "spacy-transformers.sent_spans.v1")(),
    "strided": lambda: spacy.registry.get("span_getters", "spacy-transformers.strided_spans.v1")(
        window=20, stride=15
    ),
}


@pytest.fixture(params=sorted(GETTERS))
def getter(request):
    return GETTERS[request.param]()


def pieces_of_windows(windows: Windows, tokenizer: PieceTokenizer) -> list[numpy.ndarray]:
    prefix, suffix = tokenizer.special_ids
    ends = numpy.cumsum(windows.lengths)
    found = []
    for end, length in zip(ends, windows.lengths, strict=True):
        ids = windows.ids[end - length : end]
        assert ids[: len(prefix)].tolist() == prefix
        assert ids[len(ids) - len(suffix) :].tolist() == suffix
        found.append(ids[len(prefix) : len(ids) - len(suffix)])
    return found


def test_every_window_fits_and_every_token_has_its_rows(tokenizer, getter):
    docs = docs_of(TEXTS)
    windows = Segmenter(tokenizer, getter, LIMIT)(docs)
    assert windows.lengths.max() <= LIMIT and windows.lengths.min() >= 1
    assert windows.lengths.sum() == len(windows.ids) == windows.doc_rows[-1]
    assert windows.doc_windows.sum() == len(windows.lengths) == len(windows.token_bounds)
    assert (windows.doc_windows > 0).tolist() == [len(doc) > 0 for doc in docs]
    assert len(windows.align.lengths) == sum(len(doc) for doc in docs)
    pieces_of_windows(windows, tokenizer)
    for i, doc in enumerate(docs):
        align = windows.doc_align(i)
        rows = windows.doc_rows[i + 1] - windows.doc_rows[i]
        assert len(align.lengths) == len(doc)
        assert all(0 <= row < rows for row in align.dataXd)
        for token, count in zip(doc, align.lengths, strict=True):
            encoded = tokenizer([token.text]).lengths[0] > 0
            assert count > 0 or token.is_space or not encoded, token.text


@pytest.mark.slow
def test_every_wordpiece_is_in_some_window(tokenizer):
    docs = docs_of(TEXTS)
    for getter in (WordpieceSpans(30, 20), WordpieceSpans(200, 200), WordpieceSpans(1, 1)):
        windows = Segmenter(tokenizer, getter, LIMIT)(docs)
        found = pieces_of_windows(windows, tokenizer)
        ends = numpy.cumsum(windows.doc_windows)
        for doc, end, count in zip(docs, ends, windows.doc_windows, strict=True):
            expected = tokenizer([doc.text]).ids.tolist()
            parts = [ids.tolist() for ids in found[end - count : end]]
            position = 0
            for part in parts:
                # Each window continues where the one before ended, or overlaps it.
                places = [p for p in range(position + 1) if expected[p : p + len(part)] == part]
                assert places or not expected
                position = max(position, (places or [0])[-1] + len(part))
            assert position >= len(expected)


def test_without_overlap_the_windows_are_the_text(tokenizer):
    docs = docs_of(TEXTS)
    windows = Segmenter(tokenizer, WordpieceSpans(40, 40), LIMIT)(docs)
    found = pieces_of_windows(windows, tokenizer)
    ends = numpy.cumsum(windows.doc_windows)
    for doc, end, count in zip(docs, ends, windows.doc_windows, strict=True):
        joined = [int(i) for ids in found[end - count : end] for i in ids]
        expected = tokenizer([doc.text]).ids.tolist()
        assert joined == expected or (not expected and joined in ([], [tokenizer.blank_id]))
        # And every token owns its pieces once.
        per_token = windows.doc_align(docs.index(doc)).dataXd
        assert len(per_token) == len(set(per_token.tolist())) or tokenizer.tokenizer.unk_token_id


def test_a_token_in_two_windows_owns_the_rows_of_both(bert_tokenizer):
    doc = NLP("Anna lives in the Anna lives in the")
    apart = Segmenter(bert_tokenizer, WordpieceSpans(6, 6), LIMIT)([doc])
    both = Segmenter(bert_tokenizer, WordpieceSpans(6, 4), LIMIT)([doc])
    assert apart.lengths.tolist() == [8, 4] and both.lengths.tolist() == [8, 6]
    assert apart.align.lengths.tolist() == [1] * 8
    assert both.align.lengths.tolist() == [1, 1, 1, 1, 2, 2, 1, 1]
    ends = numpy.cumsum(both.align.lengths)
    assert both.align.dataXd[ends[4] - 2 : ends[4]].tolist() == [5, 9]
    owners = {both.ids[row] for row in both.align.dataXd[ends[4] - 2 : ends[4]]}
    assert owners == set(bert_tokenizer(["Anna"]).ids)


def test_windows_end_between_tokens(bert_tokenizer):
    docs = docs_of(["unable xyz Berlin " * 40])
    windows = Segmenter(bert_tokenizer, WordpieceSpans(16, 11), LIMIT)(docs)
    cut_inside = 0
    for ids in pieces_of_windows(windows, bert_tokenizer):
        strings = bert_tokenizer.tokenizer.convert_ids_to_tokens(ids.tolist())
        cut_inside += strings[0].startswith("##")
    assert len(windows.lengths) > 10 and cut_inside == 0


def test_a_long_token_is_windowed_whole(bert_tokenizer):
    doc = NLP("Anna " + "x" * 90 + " lives")
    # BERT gives up on words beyond 100 characters, so 90 it is.
    windows = Segmenter(bert_tokenizer, WordpieceSpans(30, 20), LIMIT)([doc])
    assert windows.align.lengths.tolist()[0] == 1
    assert len(set(windows.align.dataXd.tolist())) == len(windows.align.dataXd)
    assert windows.align.lengths[1] >= 90
    assert windows.lengths.max() <= 32


def test_the_getter_gives_the_windows_of_the_model(tokenizer):
    # Without tokens longer than a window, whose spans no getter can express.
    docs = docs_of([text.replace("x" * 90, "") for text in TEXTS if "x" * 91 not in text])
    docs = [doc for doc in docs if "日" * 31 not in doc.text]
    getter = WordpieceSpans(30, 20)
    getter.bind(tokenizer)
    windows = Segmenter(tokenizer, getter, LIMIT)(docs)
    cut: list[list[str]] = [[] for _ in docs]
    for doc, start, end in windows.token_bounds:
        if tokenizer([docs[doc].text]).lengths[0]:
            cut[doc].append(docs[doc][start:end].text)
    assert cut == [[span.text for span in spans] for spans in getter(docs)]
    assert sum(len(spans) > 1 for spans in cut) >= 3


def test_the_same_windows_alone_and_in_a_batch(tokenizer, getter):
    docs = docs_of(TEXTS)
    together = Segmenter(tokenizer, getter, LIMIT)(docs)
    for i, doc in enumerate(docs):
        alone = Segmenter(tokenizer, getter, LIMIT)([doc])
        begin, end = together.doc_rows[i], together.doc_rows[i + 1]
        assert together.ids[begin:end].tolist() == alone.ids.tolist()
        assert together.doc_align(i).dataXd.tolist() == alone.align.dataXd.tolist()
        assert together.doc_align(i).lengths.tolist() == alone.align.lengths.tolist()


def test_overlap_is_kept_in_proportion_where_the_encoder_is_short(bert_tokenizer):
    doc = NLP("the " * 500)
    windows = Segmenter(bert_tokenizer, WordpieceSpans(124, 62), LIMIT)([doc])
    assert windows.lengths[0] == LIMIT
    assert 1.7 < len(windows.align.dataXd) / 500 < 2.1


def test_a_doc_that_the_getter_gives_no_span_has_rows_all_the_same(bert_tokenizer):
    docs = docs_of(["Anna", "Anna lives"])
    windows = Segmenter(bert_tokenizer, lambda batch: [[], [batch[1][:]]], LIMIT)(docs)
    assert windows.lengths.tolist() == [2, 4]
    assert windows.align.lengths.tolist() == [0, 1, 1]


def test_nothing_gives_nothing(tokenizer, getter):
    for docs in ([], docs_of([""]), docs_of(["", ""])):
        windows = Segmenter(tokenizer, getter, LIMIT)(docs)
        assert len(windows.ids) == len(windows.lengths) == len(windows.align.lengths) == 0
        assert windows.doc_rows.tolist() == [0] * (len(docs) + 1)


def test_an_encoder_without_room_for_text_is_an_error(bert_tokenizer):
    with pytest.raises(ValueError, match="reads 2 wordpieces at once, of which 2 are special"):
        Segmenter(bert_tokenizer, WordpieceSpans(), 2)(docs_of(["a"]))


@pytest.mark.parametrize("kind", ["bert", "unigram"])
def test_special_tokens_are_found(kind, bert_tokenizer):
    tokenizer = bert_tokenizer if kind == "bert" else PieceTokenizer(unigram_tokenizer())
    known = tokenizer.tokenizer
    assert tokenizer.special_ids == ([known.cls_token_id], [known.sep_token_id])


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["北京是中国的首都", "😀", "a"])
def test_one_text_of_any_length_is_cut_in_linear_time(tokenizer, unit):
    tokenize = make_tokenizer(NLP)

    def seconds(size: int) -> float:
        start = time.process_time()
        doc = tokenize((unit * size)[:size])
        windows = Segmenter(tokenizer, WordpieceSpans(40, 30), LIMIT)([doc])
        # What the encoder reads grows with the text, by no more than the overlap.
        assert windows.lengths.max() <= LIMIT
        assert len(windows.ids) <= 2.2 * size + LIMIT
        return time.process_time() - start

    seconds(1000)
    small, large = seconds(30_000), seconds(300_000)
    assert large < 30 * max(small, 0.1)
    assert large < 20.0
