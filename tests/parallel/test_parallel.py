"""Parallel text: every format gives the same pairs, and bad input is counted or refused by line."""

from pathlib import Path

import pytest
import spacy
from tiny import tiny_bert
from transformers import AutoTokenizer

from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.language import get_language
from dlfa_spacy.parallel import ParallelCorpus, SentencePair, find_sources, pair_docs
from dlfa_spacy.parallel.long_texts import cut_pair

PAIRS = [("Das Haus ist alt.", "The house is old."), ("Sie schläft.", "She is asleep.")]
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="de-DE"><seg>Das <bpt i="1">&lt;b&gt;</bpt>Haus ist <hi>alt</hi>.</seg></tuv>
<tuv xml:lang="EN"><seg>The house is old.</seg></tuv>
<tuv xml:lang="fr"><seg>La maison est vieille.</seg></tuv></tu>
<tu><tuv lang="en"><seg>She is asleep.</seg></tuv><tuv lang="de"><seg>Sie schläft.</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>Allein.</seg></tuv></tu>
</body></tmx>
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def tsv(*pairs: tuple[str, ...]) -> str:
    return "".join("\t".join(pair) + "\n" for pair in pairs)


def texts(corpus: ParallelCorpus) -> list[tuple[str, str, str]]:
    return [(pair.language, pair.source_text, pair.target_text) for pair in corpus]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PieceTokenizer:
    return PieceTokenizer(AutoTokenizer.from_pretrained(tiny_bert(tmp_path_factory.mktemp("b"))))


# Formats


def test_every_format_gives_the_same_pairs(tmp_path: Path) -> None:
    wanted = [("de", *pair) for pair in PAIRS]
    write(tmp_path / "tsv" / "a" / "de-en.tsv", tsv(*PAIRS))
    write(tmp_path / "moses" / "wiki.de-en.de", "".join(f"{a}\n" for a, _ in PAIRS))
    # The last line need not end.
    write(tmp_path / "moses" / "wiki.de-en.en", "\n".join(b for _, b in PAIRS))
    write(tmp_path / "tmx" / "memory.tmx", TMX)
    assert texts(ParallelCorpus(tmp_path / "tsv")) == wanted
    assert texts(ParallelCorpus(tmp_path / "moses")) == wanted
    assert texts(ParallelCorpus(tmp_path / "tmx", languages=["de"])) == wanted
    everything = texts(ParallelCorpus(tmp_path / "tmx"))
    assert sorted({language for language, _, _ in everything}) == ["de", "fr"]


def test_several_folders_and_languages_are_one_corpus(tmp_path: Path) -> None:
    write(tmp_path / "a" / "de-en.tsv", tsv(PAIRS[0]))
    write(tmp_path / "b" / "c" / "de-en.tsv", tsv(PAIRS[1]))
    write(tmp_path / "b" / "zh-en.tsv", tsv(("房子很旧。", "The house is old.")))
    write(tmp_path / "b" / "README.md", "no text")
    corpus = ParallelCorpus([tmp_path / "a", tmp_path / "b"])
    assert [pair.language for pair in corpus] == ["de", "de", "zh"]
    assert [pair.language for pair in corpus] == ["de", "de", "zh"], "a second pass differs"
    assert corpus.counts["de"].read == 2
    assert len(texts(ParallelCorpus(tmp_path, limit=1))) == 2
    assert texts(ParallelCorpus(tmp_path, languages=["zh"]))[0][0] == "zh"


@pytest.mark.parametrize(
    "name, language",
    [("de-en", "de"), ("zh-Hant-en", "zh-Hant"), ("en-de", "de"), ("fr", "fr"), ("w.de-en", "de")],
)
def test_the_language_stands_in_the_name(tmp_path: Path, name: str, language: str) -> None:
    (source,) = find_sources(write(tmp_path / f"{name}.tsv", tsv(PAIRS[0])))
    assert source.language == language


@pytest.mark.parametrize("name", ["train", "en", "de-fr", "en-en"])
def test_a_name_without_language_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}\.tsv.*Fix"):
        find_sources(write(tmp_path / f"{name}.tsv", tsv(PAIRS[0])))


def test_words_are_those_of_the_multilingual_tokenizer(tmp_path: Path) -> None:
    write(tmp_path / "zh-en.tsv", tsv(("房子  很旧。", "The\u00a0house is\u3000old.")))
    (pair,) = ParallelCorpus(tmp_path)
    assert pair.source_words == ["房", "子", "很", "旧", "。"]
    assert pair.target_words == ["The", "house", "is", "old", "."]
    (foreign,), (english,) = pair_docs([pair], spacy.blank("xx").vocab)
    assert foreign.text == "房子 很旧。"
    assert english.text == "The house is old."
    assert [token.text for token in foreign] == pair.source_words
    assert (get_language(foreign), get_language(english)) == ("zh", "en")


def test_docs_have_the_words_of_the_pair_whatever_the_text_says() -> None:
    pair = SentencePair("de", ["Ja", "."], ["Yes", "."], [], "Ja  .", "Yes.")
    (foreign,), (english,) = pair_docs([pair], spacy.blank("xx").vocab)
    assert [token.text for token in foreign] == ["Ja", "."]
    assert english.text == "Yes."


def test_the_separator_of_pairs_never_enters_a_text(tmp_path: Path) -> None:
    write(tmp_path / "de-en.tsv", tsv(("Ja \u241e nein", "Yes \u241e no")))
    (pair,) = ParallelCorpus(tmp_path)
    assert "\u241e" not in pair.source_text + pair.target_text


# Bad input


def test_what_is_no_translation_is_left_out_and_counted(tmp_path: Path) -> None:
    rows = [PAIRS[0], ("", "Nothing"), ("Nichts", "  "), ("OK", " OK "), PAIRS[0], PAIRS[1]]
    write(tmp_path / "de-en.tsv", tsv(*rows))
    write(tmp_path / "fr-en.tsv", tsv(("La maison.", "The house.")))
    corpus = ParallelCorpus(tmp_path)
    assert texts(corpus)[:2] == [("de", *pair) for pair in PAIRS]
    counts = corpus.counts["de"]
    assert (counts.read, counts.kept, counts.empty) == (6, 2, 2)
    assert (counts.identical, counts.duplicates, counts.unlinked) == (1, 1, 2)
    assert corpus.counts["fr"].kept == 1


def test_unequal_line_counts_name_both_and_give_nothing(tmp_path: Path) -> None:
    write(tmp_path / "w.de-en.de", "eins\nzwei\ndrei\n")
    write(tmp_path / "w.de-en.en", "one\ntwo")
    given: list[SentencePair] = []
    with pytest.raises(ValueError, match=r"w\.de-en\.de has 3 lines .*w\.de-en\.en has 2"):
        given.extend(ParallelCorpus(tmp_path))
    assert not given


def test_moses_without_its_english_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "w.en-de.de", "eins\n")
    with pytest.raises(ValueError, match=r"no w\.en-de\.en beside it"):
        ParallelCorpus(tmp_path)


def test_line_separators_of_unicode_end_no_line(tmp_path: Path) -> None:
    write(tmp_path / "w.de-en.de", "eins\u2028zwei\n\ndrei\n")
    write(tmp_path / "w.de-en.en", "one two\n\nthree\n")
    corpus = ParallelCorpus(tmp_path)
    assert texts(corpus) == [("de", "eins zwei", "one two"), ("de", "drei", "three")]
    assert corpus.counts["de"].empty == 1


@pytest.mark.parametrize("line", ["only one side", "a\tb\t0-0\td"])
def test_a_line_of_other_columns_is_named(tmp_path: Path, line: str) -> None:
    write(tmp_path / "de-en.tsv", tsv(PAIRS[0]) + line + "\n")
    with pytest.raises(ValueError, match=r"de-en\.tsv:2: .*Fix"):
        list(ParallelCorpus(tmp_path))


@pytest.mark.parametrize(
    "content, message",
    [
        ("<tmx><body><tu>", "m.tmx:1: .*Fix"),
        ('<tmx><tu><tuv xml:lang="de"><seg>a</seg></tuv></tu></tmx>', r"1 .*\['de'\].*Fix"),
        ("<tmx><tu><tuv><seg>a</seg></tuv></tu></tmx>", "without language"),
        ('<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><tmx>&b;</tmx>', "entity 'a'"),
        ('<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/hosts">]><tmx>&a;</tmx>', "entity 'a'"),
    ],
)
def test_bad_tmx_is_refused(tmp_path: Path, content: str, message: str) -> None:
    write(tmp_path / "m.tmx", content)
    with pytest.raises(ValueError, match=message):
        list(ParallelCorpus(tmp_path))


def test_tmx_is_read_in_pieces(tmp_path: Path) -> None:
    unit = '<tu><tuv xml:lang="de"><seg>Zahl {0}</seg></tuv><tuv xml:lang="en"><seg>No. {0}</seg>'
    body = "".join(unit.format(i) + "</tuv></tu>" for i in range(3000))
    write(tmp_path / "m.tmx", f"<tmx><body>{body}")
    # The file breaks off after the last unit: what came before it was given out long ago.
    pairs = iter(ParallelCorpus(tmp_path))
    assert next(pairs).target_text == "No. 0"
    with pytest.raises(ValueError, match="m.tmx:1"):
        list(pairs)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="found no parallel text"):
        ParallelCorpus(tmp_path)
    write(tmp_path / "de-en.tsv", tsv(("OK", "OK")))
    with pytest.raises(ValueError, match="'identical': 1"):
        list(ParallelCorpus(tmp_path))
    with pytest.raises(ValueError, match=r"\['fr'\]"):
        list(ParallelCorpus(tmp_path, languages=["fr"]))
    with pytest.raises(ValueError, match='long_texts = "cut"'):
        ParallelCorpus(tmp_path, long_texts="cut")


# Long texts


@pytest.mark.parametrize("long_texts, kept", [("keep", 2), ("drop", 1), ("window", 3)])
def test_long_texts_are_counted_and_treated_as_told(
    tmp_path: Path, tokenizer: PieceTokenizer, long_texts: str, kept: int
) -> None:
    rows = [("aaaa bbbb", "dddd eeee", "0-0 1-1"), ("aa", "dd", "0-0")]
    write(tmp_path / "de-en.tsv", tsv(*rows))
    corpus = ParallelCorpus(tmp_path, tokenizer=tokenizer, max_length=7, long_texts=long_texts)
    pairs = list(corpus)
    counts = corpus.counts["de"]
    assert (len(pairs), counts.kept, counts.long) == (kept, kept, 1)
    assert counts.links == {"keep": 3, "drop": 1, "window": 3}[long_texts]
    assert texts(ParallelCorpus(tmp_path, tokenizer=tokenizer, max_length=10)) == [
        ("de", a, b) for a, b, _ in rows
    ]


def test_a_limit_lower_than_the_special_tokens_is_refused(
    tmp_path: Path, tokenizer: PieceTokenizer
) -> None:
    write(tmp_path / "de-en.tsv", tsv(*PAIRS))
    with pytest.raises(ValueError, match="max_length = 2"):
        ParallelCorpus(tmp_path, tokenizer=tokenizer, max_length=2)


def test_a_pair_is_cut_where_no_link_crosses() -> None:
    pair = SentencePair(
        "de",
        ["a", "b", "c", "d", "e"],
        ["B", "A", "x", "C", "D"],
        [(0, 1), (1, 0), (2, 3), (3, 4)],
        "ab c d e",
        "BA, x C D",
    )
    parts = cut_pair(pair, [1] * 5, [1] * 5, 3)
    assert [(p.source_words, p.target_words) for p in parts] == [
        (["a", "b"], ["B", "A", "x"]),
        (["c", "d", "e"], ["C", "D"]),
    ]
    assert [p.links for p in parts] == [[(0, 1), (1, 0)], [(0, 0), (1, 1)]]
    assert [(p.source_text, p.target_text) for p in parts] == [("ab", "BA, x"), ("c d e", "C D")]
    assert cut_pair(SentencePair("de", ["a"] * 9, ["b"] * 9), [1] * 9, [1] * 9, 3) == [
        SentencePair("de", ["a"] * 9, ["b"] * 9)
    ]
