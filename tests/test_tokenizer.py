"""The tokenizer for raw text of any language."""

import pickle
import random
import re
import time
import unicodedata
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT
from spacy.language import Language
from spacy.tokens import DocBin
from tiny import tiny_bert

from dlfa_spacy.encoder.storage.loading import load_tokenizer
from dlfa_spacy.tokenizer import UNSPACED, MultilingualTokenizer, SurrogateWarning, make_tokenizer

ENCODER = ROOT / "assets" / "encoder"
STOCK = spacy.blank("xx")
OURS = make_tokenizer(STOCK)
SCRIPTS = {
    "han": "北京是中国的首都葛飾々〇",
    "kana": "きゃっとガーデンっーｶﾞヵゝ",
    "thai": "ภาษาไทยน้ำเรียะ้ๆฯ",
    "lao": "ພາສາລາວສະບາຍດີໆ",
    "khmer": "ស្ត្រីខ្មែរឯកឱកាស",
    "burmese": "ကျွန်တော်အင်္ဂလိပ်မြန်မာဥပမာ၁၂",
}
OTHERS = "ab Z9.,:-!'\"()\n\t  éüñжאשاب한국어😀👩‍💻。、「」（）！\u200c\u200d\u00ad\ufe0f\u0301"
MIXED = st.text(st.sampled_from("".join(SCRIPTS.values()) + OTHERS + "\U000e0100\U0002a6d6"))


def words(text: str) -> list[str]:
    return [token.text for token in OURS(text)]


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(MIXED | st.text())
def test_the_text_is_always_reconstructed(text):
    text = text.encode("utf-8", "ignore").decode("utf-8")
    doc = OURS(text)
    assert doc.text == text
    assert all(len(token.text) for token in doc)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(OTHERS + "can't U.S. http://a.b/c?d=e")) | st.text())
def test_texts_in_other_scripts_are_tokenized_as_by_spacy(text):
    text = UNSPACED.sub("", text.encode("utf-8", "ignore").decode("utf-8"))
    expected, found = STOCK(text), OURS(text)
    assert [(t.text, t.whitespace_) for t in found] == [(t.text, t.whitespace_) for t in expected]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(list("".join(SCRIPTS.values())) + list("aé1 。")), max_size=30))
def test_no_token_begins_with_a_combining_mark_that_could_join_the_one_before(parts):
    doc = OURS("".join(parts))
    for token in doc[1:]:
        begins_with_mark = unicodedata.category(token.text[0]) in ("Mn", "Mc", "Me")
        previous = doc[token.i - 1]
        assert not begins_with_mark or previous.whitespace_ or not UNSPACED.match(previous.text)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("北京是首都。", ["北", "京", "是", "首", "都", "。"]),
        ("iPhone手机15", ["iPhone", "手", "机", "15"]),
        ("价格:15元。」（a1）", ["价", "格", ":", "15", "元", "。", "」", "（", "a1", "）"]),
        ("きゃっと ガーデン", ["きゃ", "っ", "と", "ガー", "デ", "ン"]),
        ("ｶﾞが", ["ｶﾞ", "が"]),
        ("葛\U000e0100飾", ["葛\U000e0100", "飾"]),
        ("か\u3099き", ["か\u3099", "き"]),
        ("น้ำไทย", ["น้ำ", "ไท", "ย"]),
        ("ສະບາຍດີ", ["ສະ", "ບາ", "ຍ", "ດີ"]),
        ("ស្ត្រីខ្មែរ", ["ស្ត្រី", "ខ្មែ", "រ"]),
        ("ကျွန်တော် အင်္ဂလိပ်", ["ကျွန်", "တော်", "အင်္ဂ", "လိပ်"]),
        ("Anna 在Berlin, today.", ["Anna", "在", "Berlin", ",", "today", "."]),
        ("你  好\n\n 好 ", ["你", " ", "好", "\n\n ", "好"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
    ],
)  # fmt: skip
def test_units_of_each_script(text, expected):
    assert words(text) == expected
    assert OURS(text).text == text


def test_one_space_belongs_to_the_token_before_it():
    doc = OURS("中 文  b 文")
    assert [(t.text, t.whitespace_) for t in doc] == [
        ("中", " "), ("文", " "), (" ", ""), ("b", " "), ("文", "")
    ]  # fmt: skip


def test_exceptions_of_a_language_keep_their_norms():
    doc = make_tokenizer(spacy.blank("en"))("I don't 中文")
    assert [t.norm_ for t in doc] == ["i", "do", "not", "中", "文"]


TEXT = "Anna在北京。don't ภาษาไทย http://a.b/c (x) 한국어"


def with_ours() -> Language:
    config = {"nlp": {"tokenizer": {"@tokenizers": "dlfa_spacy.MultilingualTokenizer.v1"}}}
    return spacy.blank("xx", config=config)


def test_the_config_builds_it_and_the_disk_keeps_it(tmp_path):
    nlp = with_ours()
    assert isinstance(nlp.tokenizer, MultilingualTokenizer)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert isinstance(loaded.tokenizer, MultilingualTokenizer)
    assert [t.text for t in loaded(TEXT)] == [t.text for t in nlp(TEXT)] == words(TEXT)


def test_it_pickles_and_goes_through_bytes():
    pickled = pickle.loads(pickle.dumps(with_ours().tokenizer))
    assert [t.text for t in pickled(TEXT)] == words(TEXT)
    from_bytes = with_ours().tokenizer.from_bytes(OURS.to_bytes())
    assert [t.text for t in from_bytes(TEXT)] == words(TEXT)


@pytest.mark.parametrize(
    "unit",
    ["北京，是中国的首都。", "。", "中a", "中 ", "きゃっとガ", "ภาษาไทย", "ស្ត្រី", "ကျွန်တော်"],
)
def test_long_text_takes_linear_time(unit):
    def seconds(size: int) -> float:
        text = "中" + unit * (size // len(unit))
        best = float("inf")
        for _ in range(2):
            start = time.process_time()
            assert len(OURS(text)) > 1
            best = min(best, time.process_time() - start)
        return best

    small, large = seconds(10_000), seconds(100_000)
    # Ten times the text: quadratic time would be a hundred times as much.
    assert large < 40 * small
    assert large < 5.0


@pytest.mark.parametrize("unit", ["😀", "😀🎉👍", "(", ")!", "€", "_", '":', "''", ":)", "👍🏽"])
def test_a_row_of_signs_takes_linear_time(unit):
    text = (unit * 100_000)[:100_000]
    start = time.process_time()
    doc = OURS(text)
    # The stock tokenizer takes ten minutes.
    assert time.process_time() - start < 5.0
    assert doc.text == text and len(doc) > 60_000


@pytest.mark.parametrize(
    "text",
    [
        "😀" * 1500,
        "".join(map(chr, range(0x1F600, 0x1F640))) * 20,
        "(" * 700 + "abc" + ")" * 700,
        "a" * 600 + "😀" * 200 + "((" + "a" * 600,
        "😀" * 300 + "((a))" + "😀" * 300,
        "x" * 500 + "(" * 300,
        "(" * 300 + "x" * 500 + "😀" * 100 + " ok",
        '("' * 200 + "http://a.b/c" + '".' * 200,
        "-" * 900 + "a,b" * 300,
        (")" * 20 + "a" * 20) * 40,
        "\u0301" * 600 + "😀" * 600,
        "你" + "😀" * 700 + " " + "!" * 700 + "好",
    ],
)
def test_long_words_have_the_tokens_of_spacy(text):
    if UNSPACED.search(text):
        expected = [token.text for part in re.split("(你|好)", text) for token in STOCK(part)]
    else:
        expected = [token.text for token in STOCK(text)]
    assert words(text) == expected
    assert OURS(text).text == text


@pytest.mark.parametrize("text", ["a \ud83d b", "\udfff", "中\ud800\udc00国", "\udcff" * 3])
def test_half_characters_are_replaced_with_a_warning_that_counts_them(text):
    expected = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    nlp = with_ours()
    with pytest.warns(SurrogateWarning, match=f"{expected.count(chr(0xFFFD))} unpaired surrog"):
        docs = list(nlp.pipe(["before", text, "after"]))
    assert [doc.text for doc in docs] == ["before", expected, "after"]
    assert len(DocBin(docs=docs).to_bytes())


@pytest.mark.parametrize("script", sorted(SCRIPTS))
def test_random_text_of_a_script_is_cut_into_short_tokens(script):
    rng = random.Random(0)
    text = "".join(rng.choice(SCRIPTS[script]) for _ in range(500))
    assert len(words(text)) > 60
    assert OURS(text).text == text


# --- with the wordpieces of an encoder


@pytest.fixture(scope="module")
def with_pieces() -> Language:
    nlp = spacy.blank(
        "xx", config={"nlp": {"tokenizer": {"@tokenizers": "dlfa_spacy.MultilingualTokenizer.v1"}}}
    )
    nlp.config["initialize"]["tokenizer"] = {"encoder": str(ENCODER)}
    nlp.initialize()
    return nlp


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("阿里巴巴集团在杭州成立", ["阿里巴巴", "集团", "在", "杭州", "成立"]),
        ("東京タワーは高い", None),
        ("ประเทศไทยสวยงาม", ["ประเทศไทย", "สวยงาม"]),
        ("I like 北京, too.", ["I", "like", "北京", ",", "too", "."]),
    ],
)
def test_a_run_is_cut_as_the_encoder_reads_it(
    with_pieces: Language, text: str, expected: list[str] | None
) -> None:
    doc = with_pieces.make_doc(text)
    assert doc.text == text
    if expected is not None:
        assert [token.text for token in doc] == expected
    tokenizer = load_tokenizer(str(ENCODER))
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ends = {end for _, end in offsets["offset_mapping"]}
    assert {token.idx + len(token) for token in doc} <= ends


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(text=MIXED)
def test_pieces_lose_nothing_and_no_mark_begins_a_token(with_pieces: Language, text: str) -> None:
    doc = with_pieces.make_doc(text)
    assert doc.text == text
    for token in doc[1:]:
        if UNSPACED.search(token.text) and not doc[token.i - 1].whitespace_:
            assert not unicodedata.category(token.text[0]).startswith("M") or (
                not UNSPACED.search(doc[token.i - 1].text)
            )


@pytest.mark.slow
def test_pieces_are_saved_and_pickled_with_the_pipeline(
    with_pieces: Language, tmp_path: Path
) -> None:
    text = "他在北京大学读书。ประเทศไทย"
    expected = [token.text for token in with_pieces.make_doc(text)]
    with_pieces.to_disk(tmp_path)
    for nlp in (spacy.load(tmp_path), pickle.loads(pickle.dumps(with_pieces))):
        assert [token.text for token in nlp.make_doc(text)] == expected
    # One without pieces is saved as before there were any.
    plain = spacy.blank("xx")
    plain.tokenizer = make_tokenizer(plain)
    assert with_pieces.tokenizer.from_bytes(plain.tokenizer.to_bytes()).pieces is None
    assert [t.text for t in with_pieces.make_doc("北京")] == ["北", "京"]
    with_pieces.from_disk(tmp_path)
    assert [t.text for t in with_pieces.make_doc("北京")] == ["北京"]


def test_a_vocabulary_without_scores_is_refused(tmp_path: Path) -> None:
    tokenizer = make_tokenizer(STOCK)
    with pytest.raises(ValueError, match=r"\[initialize.tokenizer\] encoder.*Unigram"):
        tokenizer.initialize(encoder=tiny_bert(tmp_path))
