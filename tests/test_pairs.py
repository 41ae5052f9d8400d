"""A pair of texts is an ordinary Doc, and the encoder sees what Hugging Face would give it."""

import json
import random
import tarfile
import warnings

import numpy
import pytest
import spacy
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from places import ROOT
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus, Example
from tiny import tiny_bert, unigram_tokenizer
from transformers import AutoModel, AutoTokenizer, BertTokenizer, BertTokenizerFast

from dlfa_spacy.encoder.model import CutPairWarning
from dlfa_spacy.encoder.segment.cuts import longest_first
from dlfa_spacy.encoder.segment.frames import FIRST, SECOND
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.segment.segmenter import Segmenter
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.encoder.segment.windows import Windows
from dlfa_spacy.pairs import (
    REPLACEMENT,
    SEPARATOR,
    SeparatorWarning,
    is_pair,
    join_pair,
    make_pair,
    split_pair,
    split_text,
)
from dlfa_spacy.pipeline.encoders import find_encoder
from dlfa_spacy.tokenizer import make_tokenizer

STOCK = spacy.blank("xx")
OURS = spacy.blank("xx")
OURS.tokenizer = make_tokenizer(OURS)
PIECES = ["Anna", "lives", " ", "  ", "\n", "Berlin.", "日本語", "don't", "x" * 40, "é", SEPARATOR]
RAGGED = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=30)


def pairs_of(docs: list[tuple[str, str]]) -> list[Doc]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparatorWarning)
        return [make_pair(OURS, first, second) for first, second in docs]


def parallel_texts() -> list[tuple[str, str]]:
    """Foreign and English test sentences of the embedded corpus, in 14 languages."""
    found = []
    for path in sorted((ROOT / "assets" / "corpus").glob("*/test.conllu")):
        lines = path.read_text(encoding="utf-8").splitlines()
        texts = [line[9:] for line in lines if line.startswith("# text = ")]
        english = [line[12:] for line in lines if line.startswith("# text_en = ")]
        found.extend(zip(texts, english, strict=False))
    return found


def as_pair(tokenizer, first: str, second: str, **settings) -> dict:
    """`tokenizer(first, second)`. In a batch, because a fast tokenizer takes one pair whose second
    text is empty for a single text, but not so in a batch."""
    encoded = tokenizer([first], [second], **settings)
    return {key: values[0] for key, values in encoded.items()}


def check_equal(
    tokenizer, docs: list[Doc], texts: list[tuple[str, str] | str], length: int
) -> Windows:
    """What our windows hold is what the tokenizer gives for the same texts."""
    pieces = PieceTokenizer(tokenizer)
    window = length - pieces.frames.single_size
    windows = Segmenter(pieces, WordpieceSpans(window, window), length)(docs)
    expected = [
        as_pair(tokenizer, *text, truncation="longest_first", max_length=length)
        if isinstance(text, tuple)
        else tokenizer(text, truncation=True, max_length=length)
        for text in texts
    ]
    lengths = [len(row["input_ids"]) for row in expected]
    assert windows.lengths.tolist() == lengths
    assert windows.ids.tolist() == [i for row in expected for i in row["input_ids"]]
    assert windows.lengths.tolist() == [sum(row["attention_mask"]) for row in expected]
    if "token_type_ids" in expected[0]:
        types = [i for row in expected for i in row["token_type_ids"]]
        assert (windows.types if windows.types is not None else windows.ids * 0).tolist() == types
    else:
        assert windows.types is None
    return windows


@pytest.fixture(scope="module")
def bundled():
    return AutoTokenizer.from_pretrained(ROOT / "assets" / "encoder")


@pytest.fixture(scope="module", params=["bundled", "bert", "unigram", "unigram_without_types"])
def tokenizer(request, bundled, tmp_path_factory):
    if request.param == "bundled":
        return bundled
    if request.param == "bert":
        return AutoTokenizer.from_pretrained(tiny_bert(tmp_path_factory.mktemp("bert")))
    tokenizer = unigram_tokenizer()
    if request.param == "unigram_without_types":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]
        assert "token_type_ids" not in tokenizer("a", "b")
    return tokenizer


# --- the text


@given(RAGGED, RAGGED)
@settings(max_examples=200, deadline=None)
@example("", "")
@example("", " b")
@example("a ", "")
@example(f"{SEPARATOR} a", f"b{SEPARATOR}")
def test_both_texts_come_back_out_of_the_pair_s_text(first, second):
    text, replaced = join_pair(first, second)
    assert replaced == first.count(SEPARATOR) + second.count(SEPARATOR)
    assert split_text(text) == (
        first.replace(SEPARATOR, REPLACEMENT),
        second.replace(SEPARATOR, REPLACEMENT),
    )


@pytest.mark.parametrize("text", ["a b", "", " "])
def test_a_text_without_the_separator_is_no_pair(text):
    assert split_text(text) is None
    doc = OURS(text)
    assert not is_pair(doc)
    with pytest.raises(ValueError, match="not a pair"):
        split_pair(doc)


@pytest.mark.parametrize("text", ["a␞b", "a ␞b", "a␞ b", "a ␞ b"])
def test_a_separator_typed_by_hand_makes_a_pair(text):
    first, second = split_pair(OURS(text))
    assert (first.text, second.text) == ("a", "b")


@given(RAGGED, RAGGED)
@settings(max_examples=200, deadline=None)
@example("a ", "b")
@example("日本語 ", " 日本")
@example("x\n", "\ny")
def test_both_texts_keep_their_tokens_and_offsets(first, second):
    doc = pairs_of([(first, second)])[0]
    text, _ = join_pair(first, second)
    assert doc.text == text
    spans = split_pair(doc)
    for given_text, span, offset in zip(
        (first, second),
        spans,
        (0, len(text) - len(second)),
        strict=True,
    ):
        alone = OURS(given_text.replace(SEPARATOR, REPLACEMENT))
        expected = [(token.text, token.idx + offset) for token in alone]
        found = [(token.text, token.idx) for token in span]
        if span is spans[0] and given_text.endswith(" "):
            # The space before the separator has no token to belong to but one of its own.
            found = found[: len(expected)]
        assert found == expected


@pytest.mark.slow
def test_every_tokenizer_of_spacy_keeps_the_separator_of_make_pair():
    for language in ("xx", "en", "de", "fr", "tr"):
        first, second = split_pair(make_pair(spacy.blank(language), "It's here.", "Is it?"))
        assert (first.text, second.text) == ("It's here.", "Is it?")


def test_a_tokenizer_that_hides_the_separator_is_an_error():
    nlp = spacy.blank("xx")
    nlp.tokenizer = lambda text: Doc(nlp.vocab, words=[text], spaces=[False])
    with pytest.raises(ValueError, match="MultilingualTokenizer"):
        make_pair(nlp, "a", "b")


def test_a_separator_in_a_text_is_replaced_and_counted():
    with pytest.warns(SeparatorWarning, match="occurs 3 times"):
        doc = make_pair(OURS, f"a{SEPARATOR}{SEPARATOR}", f"b {SEPARATOR} c")
    first, second = split_pair(doc)
    assert first.text == f"a{REPLACEMENT}{REPLACEMENT}"
    assert second.text == f"b {REPLACEMENT} c"


# --- what the encoder sees


@pytest.mark.slow
def test_pairs_in_14_languages_are_encoded_as_hugging_face_does(tokenizer):
    texts = parallel_texts()
    assert len(texts) >= 700
    check_equal(tokenizer, pairs_of(texts), texts, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("length", [16, 33, 64])
def test_long_pairs_are_cut_as_hugging_face_does(tokenizer, length):
    texts = parallel_texts()[::7]
    windows = check_equal(tokenizer, pairs_of(texts), texts, length)
    assert windows.lengths.max() == length
    assert (windows.lost > 0).any()
    assert windows.lengths.sum() + windows.lost.sum() == sum(
        len(as_pair(tokenizer, *text)["input_ids"]) for text in texts
    )


@pytest.mark.slow
@given(st.lists(st.tuples(RAGGED, RAGGED) | RAGGED, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
@example([("", ""), ("a", ""), ("", "b"), "a", ""])
def test_pairs_and_single_texts_share_a_batch(texts):
    tokenizer = unigram_tokenizer()
    docs = [
        pairs_of([text])[0] if isinstance(text, tuple) else OURS(text.replace(SEPARATOR, " "))
        for text in texts
    ]
    cleaned = [
        tuple(t.replace(SEPARATOR, REPLACEMENT) for t in text)
        if isinstance(text, tuple)
        else text.replace(SEPARATOR, " ")
        for text in texts
    ]
    full = [i for i, doc in enumerate(docs) if len(doc)]
    if not full:
        return
    windows = check_equal(tokenizer, [docs[i] for i in full], [cleaned[i] for i in full], 400)
    assert windows.doc_windows.tolist() == [1] * len(full)


def test_1000_real_pairs_are_encoded_as_mbert_does(data_folder, tmp_path):
    """The real vocabulary on real premises and hypotheses; its twin above has no license."""
    pairs = []
    with tarfile.open(data_folder / "nli.tar.xz") as archive:
        for member in archive:
            if member.name.endswith("test.jsonl"):
                lines = archive.extractfile(member).read().decode("utf-8").splitlines()
                rows = [json.loads(line) for line in lines[:77]]
                pairs.extend((row["premise"], row["hypothesis"]) for row in rows)
    # The corpus has 13 languages; premises of one against hypotheses of another make up the rest.
    assert len(pairs) >= 1000
    vocab = str(data_folder / "mbert-vocab.txt")
    tokenizer = BertTokenizerFast(vocab, do_lower_case=False)
    assert len(tokenizer) >= 119_547
    docs = pairs_of(pairs)
    for length in (512, 128, 40):
        check_equal(tokenizer, docs, pairs, length)


@pytest.mark.parametrize("is_fast", [True, False])
def test_the_longest_text_is_cut_first_by_hugging_face_s_rule(is_fast, tmp_path):
    vocab = tmp_path / "vocab.txt"
    vocab.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na", encoding="utf-8")
    tokenizer = (BertTokenizerFast if is_fast else BertTokenizer)(str(vocab))
    for first in range(9):
        for second in range(9):
            for room in range(1, 15):
                ids = as_pair(
                    tokenizer,
                    " ".join(["a"] * first),
                    " ".join(["a"] * second),
                    truncation="longest_first",
                    max_length=room + 3,
                )
                ones = sum(ids["token_type_ids"])
                expected = (len(ids["input_ids"]) - 2 - ones, ones - 1)
                assert longest_first(first, second, room, is_fast) == expected


def test_a_slow_tokenizer_gives_the_same_pairs(tmp_path):
    slow = BertTokenizer.from_pretrained(tiny_bert(tmp_path))
    assert not slow.is_fast
    texts = parallel_texts()[::25]
    check_equal(slow, pairs_of(texts), texts, 40)


@pytest.mark.parametrize("tokenizer", ["bundled", "bert"], indirect=True)
@pytest.mark.parametrize("getter", ["doc_spans", "sent_spans", "strided_spans"])
def test_a_pair_is_one_window_whatever_the_span_getter(getter, tokenizer):
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    spans = spacy.registry.get("span_getters", f"spacy-transformers.{getter}.v1")
    get_spans = spans(window=4, stride=3) if getter == "strided_spans" else spans()
    docs = [
        nlp("One sentence here. And two."),
        nlp(join_pair("A first. A second.", "A third.\nA fourth.")[0]),
        nlp(""),
        nlp("Another one. And more."),
    ]
    windows = Segmenter(PieceTokenizer(tokenizer), get_spans, 128)(docs)
    begin, end = windows.doc_rows[1:3]
    expected = tokenizer("A first. A second.", "A third.\nA fourth.")
    assert windows.ids[begin:end].tolist() == expected["input_ids"]
    types = None if windows.types is None else windows.types[begin:end].tolist()
    assert types == expected.get("token_type_ids")
    assert windows.doc_windows[1] == 1


@pytest.mark.parametrize("tokenizer", ["bundled", "bert"], indirect=True)
def test_the_separator_owns_the_special_tokens_between_the_texts(tokenizer):
    doc = make_pair(OURS, "Anna lives here.", "She does.")
    pieces = PieceTokenizer(tokenizer)
    windows = Segmenter(pieces, WordpieceSpans(), 128)([doc])
    align = windows.doc_align(0)
    starts = numpy.cumsum(align.lengths) - align.lengths
    separator = next(token.i for token in doc if token.text == SEPARATOR)
    rows = align.dataXd[starts[separator] : starts[separator] + align.lengths[separator]]
    frames = pieces.frames
    between = frames[FIRST].after + frames[SECOND].before
    assert windows.ids[rows].tolist() == between and tokenizer.sep_token_id in between
    owned = sorted(align.dataXd.tolist())
    # All rows but [CLS] and the last [SEP] belong to one token each.
    assert owned == list(range(1, len(windows.ids) - 1))


# --- through a pipeline


@pytest.fixture(scope="module")
def nlp(tmp_path_factory):
    folder = tiny_bert(tmp_path_factory.mktemp("encoder"), type_vocab_size=2)
    return pipeline(folder)


def pipeline(folder: str):
    listener = {
        "@architectures": "dlfa_spacy.TransformerListener.v1",
        "aggregation": {"@layers": "dlfa_spacy.LayerAttention.v1"},
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    nlp = spacy.blank(
        "xx",
        config={
            "nlp": {"tokenizer": {"@tokenizers": "dlfa_spacy.MultilingualTokenizer.v1"}},
        },
    )
    model = {"@architectures": "dlfa_spacy.TransformerModel.v1", "name": folder}
    model["get_spans"] = {
        "@span_getters": "dlfa_spacy.wordpiece_spans.v1",
        "window": 60,
        "stride": 50,
    }
    nlp.add_pipe("dlfa_transformer", name="transformer", config={"model": model})
    textcat = {
        "@architectures": "spacy.TextCatReduce.v1",
        "tok2vec": listener,
        "exclusive_classes": True,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": False,
        "use_reduce_mean": True,
        "nO": None,
    }
    nlp.add_pipe("textcat", config={"model": textcat})
    examples = [
        Example.from_dict(make_pair(nlp, a, b), {"cats": {"yes": y, "no": 1 - y}})
        for a, b, y in [("Anna lives.", "Anna.", 1.0), ("Berlin", "un able", 0.0)]
    ]
    nlp.initialize(lambda: examples)
    optimizer = nlp.resume_training()
    for _ in range(2):
        nlp.update(examples, sgd=optimizer)
    return nlp


PAIRS = [("Anna lives in Berlin.", "She lives."), ("", "b"), ("a", ""), ("", ""), ("x\ny z.", "q")]


def scores(docs) -> list[list[float]]:
    return [[doc.cats["yes"], doc.cats["no"]] for doc in docs]


def test_the_encoder_s_output_for_a_pair_is_hugging_face_s(nlp):
    folder = nlp.config["components"]["transformer"]["model"]["name"]
    tokenizer, plain = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    plain.load_state_dict(find_encoder(nlp).packed.transformer.state_dict())
    plain.eval()
    docs = [make_pair(nlp, *pair) for pair in PAIRS]
    docs.insert(1, nlp.make_doc("A single text."))
    inputs = [*PAIRS[:1], ("A single text.",), *PAIRS[1:]]
    batch = find_encoder(nlp).encode(docs, [0, 2, 4])
    rows = batch.windows.doc_rows
    for i, texts in enumerate(inputs):
        encoded = tokenizer(*[[text] for text in texts], return_tensors="pt")
        with torch.no_grad():
            expected = plain(**encoded, output_hidden_states=True)
        for layer in (0, 2, 4):
            torch.testing.assert_close(
                batch.states[layer][rows[i] : rows[i + 1]],
                expected.hidden_states[layer][0],
                rtol=1e-5,
                atol=1e-5,
            )


def test_which_text_comes_first_makes_a_difference(nlp):
    """Token types reach the encoder: without them, it would only see another order."""
    docs = [make_pair(nlp, "Anna", "Anna")]
    batch = find_encoder(nlp).encode(docs, [0])
    first, second = batch.states[0][1], batch.states[0][3]
    types = find_encoder(nlp).packed.transformer.embeddings.token_type_embeddings.weight
    assert batch.windows.types.tolist() == [0, 0, 0, 1, 1]
    assert (types[0] - types[1]).abs().max() > 0.1
    assert (first - second).abs().max() > 0.01


def test_pairs_go_through_everything_a_doc_goes_through(nlp, tmp_path):
    expected = scores(nlp(make_pair(nlp, *pair)) for pair in PAIRS)
    texts = [join_pair(*pair)[0] for pair in PAIRS]
    assert numpy.allclose(scores(nlp(text) for text in texts), expected, atol=1e-5)
    docs, ids = zip(*nlp.pipe([(t, i) for i, t in enumerate(texts)], as_tuples=True), strict=True)
    assert numpy.allclose(scores(docs), expected, atol=1e-5)
    assert ids == tuple(range(len(texts)))
    # A stored Doc, by itself and in a DocBin, and what Corpus makes of it: predicted from text.
    again = [Doc(nlp.vocab).from_bytes(doc.to_bytes()) for doc in docs]
    assert [split_text(doc.text) for doc in again] == PAIRS
    DocBin(docs=docs).to_disk(tmp_path / "pairs.spacy")
    examples = list(Corpus(tmp_path / "pairs.spacy")(nlp))
    assert [split_text(example.predicted.text) for example in examples] == PAIRS
    found = scores(nlp(example.predicted) for example in examples)
    assert numpy.allclose(found, expected, atol=1e-5)
    assert nlp.evaluate(examples)["cats_micro_f"] == 1.0


def test_pairs_go_through_processes(nlp):
    texts = [join_pair(*pair)[0] for pair in PAIRS] * 2
    expected = scores(nlp.pipe(texts))
    found = scores(nlp.pipe([make_pair(nlp, *pair) for pair in PAIRS] * 2, n_process=2))
    assert numpy.allclose(found, expected, atol=1e-5)


def test_a_pair_trains_like_any_doc(nlp):
    example = Example.from_dict(
        nlp.make_doc(join_pair("Anna", "lives")[0]), {"cats": {"yes": 1.0, "no": 0.0}}
    )
    before = find_encoder(nlp).packed.transformer.embeddings.token_type_embeddings.weight
    before = before.detach().clone()
    nlp.update([example], sgd=nlp.resume_training())
    after = find_encoder(nlp).packed.transformer.embeddings.token_type_embeddings.weight
    assert (after - before)[1].abs().max() > 0


def test_a_pair_of_5000_words_is_cut_warned_of_and_counted(nlp):
    encoder = find_encoder(nlp)
    encoder.cut_pairs = 0
    words = ["Anna", "lives", "in", "Berlin"]
    long = " ".join(random.Random(0).choices(words, k=5000))
    with pytest.warns(CutPairWarning, match="window"):
        doc = nlp(make_pair(nlp, long, "She lives."))
    assert encoder.cut_pairs == 1
    assert len(doc) == 5000 + 1 + 3
    assert doc._.trf_data.wordpieces.lengths == [62]
    # The hypothesis, the shorter text, is whole.
    tokenizer = AutoTokenizer.from_pretrained(encoder.attrs["name"])
    end = tokenizer("a", "She lives.")["input_ids"][3:]
    assert doc._.trf_data.wordpieces.input_ids[0].tolist()[-len(end) :] == end
    # Tokens cut off have no wordpieces, hence a vector of zeros.
    assert doc._.trf_data.align.lengths[4000] == 0
