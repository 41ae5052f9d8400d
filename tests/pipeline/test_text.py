"""Whole pipelines on difficult text: alone and in a batch the same, every token has its vector."""

from typing import Any

import numpy
import pytest
from life import AGGREGATIONS, config, initialized
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config

TEXTS = {
    "empty": "",
    "space": " ",
    "newlines": "\n\n",
    "only_space": " \t\n  \u3000 ",
    "double_spaces": "Anna  lives   in Berlin",
    "leading": "  \nAnna lives",
    "trailing": "Anna lives \n\n",
    "paragraphs": "Anna lives\n\nin Berlin\n\n\nthe end",
    "emoji": "the 👩‍💻 and 👨‍👩‍👧‍👦 in 🏳️‍🌈 😀😀",
    "combining": "cafe\u0301 e\u0327\u0301 नमस्ते दिल्ली ภาษาไทยน้ำ",
    "arabic": "ذهبت إلى المكتبة لشراء كتاب جديد",
    "hebrew": "שלום עולם, מה שלומך?",
    "mixed_direction": "Anna قال in برلين (the)",
    "chinese": "北京是中华人民共和国的首都，人口很多。上海也是大学" * 6,
    "japanese": "東京タワーはどこですか？かなカナ日本語",
    "thai": "ฉันรักภาษาไทยมากและฉันอยู่ในกรุงเทพ" * 4,
    "long_token": "Anna " + "x" * 3000 + " lives",
    "long_letters": "the " + "中" * 3000 + " in",
    "control": "\x00Anna\x07 li\x7fves\x1b in\ufeff",
    "astral": "𠜎𠜱 𝔘𝔫𝔦 𐍈 Anna",
    "soft_hyphen": "un\u00adable Ber\u200clin the\u200b in\u2060",
    "line_separators": "Anna\u2028lives\u2029in\x85Berlin",
    "plain": "Anna lives in Berlin",
}
LONG = "Anna lives in Berlin the unable ed " * 1429
TOKENIZERS = {
    "stock": None,
    "multilingual": {"@tokenizers": "dlfa_spacy.MultilingualTokenizer.v1"},
}


def build(folder: str, tokenizer: str, aggregation: str, **settings: Any) -> Language:
    made = config(folder, ["tagger"], aggregation, **settings)
    if TOKENIZERS[tokenizer]:
        made["nlp"]["tokenizer"] = dict(TOKENIZERS[tokenizer])
    nlp = initialized(load_model_from_config(made, auto_fill=True))
    for node in nlp.get_pipe("tagger").model.walk():
        if node.shims and getattr(node.shims[0], "is_built", False):
            for parameter in node.shims[0].module.parameters():
                # Away from the start, where an attention is the last layer.
                parameter.data.add_(0.3)
    return nlp


def vectors(nlp: Language, texts: list[str]) -> tuple[list[Doc], list[numpy.ndarray]]:
    """RETURNS: The Docs and what the tagger reads of each, `(n_tokens, E)`."""
    docs = list(nlp.pipe(texts, batch_size=len(texts)))
    tok2vec = nlp.get_pipe("tagger").model.get_ref("tok2vec")
    return docs, [numpy.array(v) for v in tok2vec.predict(docs)]


@pytest.fixture(scope="module", params=sorted(TOKENIZERS))
def nlp(request, bert) -> Language:
    return build(bert, request.param, "fusion")


def test_the_same_alone_and_in_a_batch(nlp):
    texts = list(TEXTS.values())
    docs, together = vectors(nlp, texts)
    for name, doc, expected in zip(TEXTS, docs, together, strict=True):
        (own,), (alone,) = vectors(nlp, [TEXTS[name]])
        assert doc.text == own.text == TEXTS[name]
        assert alone.shape == expected.shape == (len(doc), 32), name
        numpy.testing.assert_allclose(alone, expected, atol=1e-5, err_msg=name)
        assert [t.tag_ for t in own] == [t.tag_ for t in doc]


def test_the_order_of_a_batch_changes_nothing(nlp):
    texts = list(TEXTS.values())
    _, forward = vectors(nlp, texts)
    _, backward = vectors(nlp, texts[::-1])
    for expected, found in zip(forward, backward[::-1], strict=True):
        numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_every_token_that_is_text_has_a_vector(nlp):
    docs, found = vectors(nlp, list(TEXTS.values()))
    tokenizer = nlp.get_pipe("transformer").model.shim.piece_tokenizer
    for name, doc, array in zip(TEXTS, docs, found, strict=True):
        assert numpy.isfinite(array).all()
        for token, vector in zip(doc, array, strict=True):
            encoded = tokenizer([token.text]).lengths[0] > 0
            # A joiner has no wordpiece of its own, but may be inside one (an unknown emoji).
            assert (numpy.abs(vector).sum() > 0) or not encoded, (name, token.text)
            assert not vector.any() or not token.is_space, (name, token.text)


def test_every_wordpiece_of_a_long_token_counts(nlp):
    transformer = nlp.get_pipe("transformer").model
    docs = list(nlp.pipe([TEXTS["long_letters"]]))
    lengths = docs[0]._.trf_data.align.lengths
    pieces = len(transformer.shim.piece_tokenizer([TEXTS["long_letters"]]).ids)
    assert len(set(docs[0]._.trf_data.align.dataXd.tolist())) >= pieces
    assert lengths.sum() >= pieces >= 3
    assert max(docs[0]._.trf_data.window_lengths) <= transformer.shim.max_length


@pytest.mark.parametrize("aggregation", sorted(AGGREGATIONS))
def test_every_aggregator_reads_difficult_text(bert, aggregation):
    nlp = build(bert, "multilingual", aggregation)
    texts = [text for text in TEXTS.values() if len(text) < 500]
    _, together = vectors(nlp, texts)
    for text, expected in zip(texts[::4], together[::4], strict=True):
        _, (alone,) = vectors(nlp, [text])
        numpy.testing.assert_allclose(alone, expected, atol=1e-5, err_msg=text)


@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer"])
def test_every_encoder_reads_difficult_text(any_encoder, factory):
    nlp = build(any_encoder, "stock", "attention", factory=factory)
    texts = [text for text in TEXTS.values() if len(text) < 500]
    docs, together = vectors(nlp, texts)
    for doc, text, expected in zip(docs, texts, together, strict=True):
        assert expected.shape == (len(doc), 32)
        assert numpy.isfinite(expected).all()
        if len(text) % 3 == 0:
            _, (alone,) = vectors(nlp, [text])
            numpy.testing.assert_allclose(alone, expected, atol=1e-5, err_msg=text)


def test_a_doc_of_ten_thousand_tokens(bert):
    nlp = build(bert, "stock", "fusion")
    docs, together = vectors(nlp, ["Anna", LONG, "in Berlin"])
    assert len(docs[1]) > 10_000
    assert (numpy.abs(together[1]).sum(1) > 0).all()
    data = docs[1]._.trf_data
    assert (data.align.lengths > 0).all()
    pieces = nlp.get_pipe("transformer").model.shim.piece_tokenizer([LONG])
    assert len(set(data.align.dataXd.tolist())) >= len(pieces.ids)
    _, (alone,) = vectors(nlp, [LONG])
    numpy.testing.assert_allclose(alone, together[1], atol=1e-5)
    # The tags of the end depend on the text of the end.
    assert not numpy.allclose(together[1][-1], together[1][-8], atol=1e-4)


GETTERS = [
    {"@span_getters": "spacy-transformers.doc_spans.v1"},
    {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 16, "stride": 12},
    {"@span_getters": "spacy-transformers.sent_spans.v1"},
    {"@span_getters": "dlfa_spacy.wordpiece_spans.v1", "window": 126, "stride": 96},
]


@pytest.mark.parametrize("getter", GETTERS, ids=lambda g: str(g["@span_getters"]))
def test_every_span_getter_works(bert, getter):
    made = config(bert, ["tagger"], "attention")
    made["components"]["transformer"]["model"]["get_spans"] = dict(getter)
    made["components"]["sentencizer"] = {"factory": "sentencizer"}
    made["nlp"]["pipeline"] = ["sentencizer", "transformer", "tagger"]
    nlp = initialized(load_model_from_config(made, auto_fill=True))
    texts = [text for text in TEXTS.values() if len(text) < 5000]
    docs, together = vectors(nlp, texts)
    for doc, text, expected in zip(docs, texts, together, strict=True):
        assert expected.shape == (len(doc), 32)
        _, (alone,) = vectors(nlp, [text])
        numpy.testing.assert_allclose(alone, expected, atol=1e-5, err_msg=text)
