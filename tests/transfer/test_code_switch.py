"""Code switching and synonyms: which words are replaced, by what, and that nothing else changes."""

import json
import math
import pickle
import random
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import spacy
from aligned import ENGLISH, FOREIGN, write_text
from hypothesis import given
from hypothesis import strategies as st
from life import config
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import fix_random_seed, load_model_from_config

from dlfa_spacy.language import get_language, set_language
from dlfa_spacy.pairs import make_pair, split_pair
from dlfa_spacy.parallel.dictionary import fold
from dlfa_spacy.tokenizer import make_tokenizer
from dlfa_spacy.transfer.augmenters import build_code_switch_v1, build_synonyms_v1
from dlfa_spacy.transfer.replace_words import replace_words
from dlfa_spacy.transfer.word_switcher import SwitchSettings, WordSwitcher

WORDS = ["The", "Bank", "of", "England", "sees", "new", "risks", "."]


@pytest.fixture
def nlp() -> Language:
    nlp = spacy.blank("xx")
    nlp.tokenizer = make_tokenizer(nlp)
    return nlp


def annotated(nlp: Language) -> Doc:
    """RETURNS: A Doc with everything that a corpus can say about it."""
    doc = Doc(
        nlp.vocab,
        words=WORDS,
        spaces=[True] * 6 + [False, False],
        tags=["DT", "NNP", "IN", "NNP", "VBZ", "JJ", "NNS", "."],
        pos=["DET", "PROPN", "ADP", "PROPN", "VERB", "ADJ", "NOUN", "PUNCT"],
        lemmas=["the", "Bank", "of", "England", "see", "new", "risk", "."],
        heads=[1, 4, 1, 2, 4, 6, 4, 4],
        deps=["det", "nsubj", "prep", "pobj", "ROOT", "amod", "dobj", "punct"],
    )
    doc[6].set_morph("Number=Plur")  # type: ignore[attr-defined]
    doc.set_ents([Span(doc, 1, 4, label="ORG", kb_id="Q183231")], default="outside")
    doc.spans["parts"] = [Span(doc, 1, 2, label="kind"), Span(doc, 0, 4, label="whole")]
    doc.cats = {"economy": 1.0, "sport": 0.0}
    set_language(doc, "en")
    return doc


def example(nlp: Language, reference: Doc) -> Example:
    words = [token.text for token in reference]
    spaces = [bool(token.whitespace_) for token in reference]
    return Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)


def switcher(tables: dict[str, dict[str, tuple[str, ...]]], **settings: Any) -> WordSwitcher:
    settings = {"token_rate": 1.0, **settings}
    return WordSwitcher(partial(dict, tables), SwitchSettings(**settings), "code_switch")


def switched(nlp: Language, made: WordSwitcher, doc: Doc) -> Doc:
    (found,) = made(nlp, example(nlp, doc))
    return found.reference


GERMAN = {"bank": ("bank",), "new": ("neue",), "risks": ("Risiken",), "sees": ("sieht",)}


def test_words_change_and_annotation_stays(nlp: Language) -> None:
    doc = annotated(nlp)
    new = switched(nlp, switcher({"de": GERMAN}), doc)
    assert new.text == "The Bank of England sieht neue Risiken."
    for mine, theirs in zip(new, doc, strict=True):
        assert (mine.tag_, mine.dep_, mine.head.i) == (theirs.tag_, theirs.dep_, theirs.head.i)
        assert (mine.ent_iob_, mine.ent_type_) == (theirs.ent_iob_, theirs.ent_type_)
    assert [(e.start, e.end, e.label_, e.kb_id_) for e in new.ents] == [(1, 4, "ORG", "Q183231")]
    found = [(s.start, s.end, s.label_, s.text) for s in new.spans["parts"]]
    assert found == [(1, 2, "kind", "Bank"), (0, 4, "whole", "The Bank of England")]
    assert new.cats == doc.cats and get_language(new) == "en"
    assert [token.lemma_ for token in new] == ["the", "Bank", "of", "England", "", "", "", "."]


def test_a_new_word_loses_features_and_with_them_its_part_of_speech(nlp: Language) -> None:
    doc = annotated(nlp)
    new = replace_words(doc, {5: "neue", 6: "Risiken"})
    assert [(new[i].pos_, str(new[i].morph), new[i].tag_) for i in (5, 6)] == [
        ("ADJ", "", "JJ"),
        ("", "", "NNS"),
    ]
    kept = replace_words(doc, {6: "Risiken"}, keep_morph=True)
    assert (kept[6].pos_, str(kept[6].morph)) == ("NOUN", "Number=Plur")
    assert [token.has_morph() for token in kept] == [token.has_morph() for token in doc]


def test_entities_are_protected_unless_told_otherwise(nlp: Language) -> None:
    table = {"de": {"bank": ("Ufer",), "england": ("England",), "risks": ("Risiken",)}}
    assert switched(nlp, switcher(table), annotated(nlp)).text.startswith("The Bank of England")
    new = switched(nlp, switcher(table, protect_ents=False), annotated(nlp))
    assert new.ents[0].text == "Ufer of England" and new.ents[0].label_ == "ORG"


@pytest.mark.parametrize(
    ("case", "word", "expected"),
    [
        ("restore", "Bank", "Banco"),
        ("restore", "BANK", "BANCO"),
        ("restore", "bank", "banco"),
        ("lower", "Bank", "banco"),
        ("keep", "Bank", "banco"),
        ("restore", "I", "Ich"),
    ],
)
def test_capitals(nlp: Language, case: str, word: str, expected: str) -> None:
    made = switcher({"es": {"bank": ("banco",), "i": ("ich",)}}, case=case)
    assert switched(nlp, made, Doc(nlp.vocab, words=[word])).text.strip() == expected


def test_of_a_german_noun_the_capital_stays(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["risks"])
    table = {"de": {"risks": ("Risiken",)}}
    assert switched(nlp, switcher(table), doc)[0].text == "Risiken"
    assert switched(nlp, switcher(table, case="lower"), doc)[0].text == "risiken"


def test_translations_of_several_words(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["of", "risks"])
    table = {"fr": {"of": ("de la",), "risks": ("risques", "les risques")}}
    texts = {switched(nlp, switcher(table, seed=seed), doc).text for seed in range(9)}
    assert texts == {"of risques "}
    joined = switched(nlp, switcher(table, multiword="join"), doc)
    assert joined[0].text == "de la" and len(joined) == 2


def test_rate_0_gives_the_same_example(nlp: Language) -> None:
    given = example(nlp, annotated(nlp))
    for settings in ({"token_rate": 0.0}, {"sentence_rate": 0.0}):
        (found,) = switcher({"de": GERMAN}, **settings)(nlp, given)
        assert found is given


def test_original_and_switched_text(nlp: Language) -> None:
    given = example(nlp, annotated(nlp))
    found = list(switcher({"de": GERMAN}, keep_original=True)(nlp, given))
    assert found[0] is given and found[1].reference.text.endswith("neue Risiken.")
    nothing = list(switcher({"de": {"x": ("y",)}}, keep_original=True)(nlp, given))
    assert nothing == [given]


@pytest.mark.parametrize(("choose", "expected"), [("language", 0.45), ("known", 0.9)])
def test_a_word_of_one_of_two_dictionaries(nlp: Language, choose: str, expected: float) -> None:
    tables = {"de": {"word": ("wort",)}, "fr": {"other": ("autre",)}}
    made = switcher(tables, choose=choose, token_rate=0.9)
    n, size = 100, 100
    for _ in range(n):
        switched(nlp, made, Doc(nlp.vocab, words=["word"] * size))
    sd = math.sqrt(expected * (1 - expected) / (n * size))
    assert abs(made.rates["de"] - expected) < 3 * sd
    assert made.rates["fr"] == 0
    assert nlp.meta["code_switch"] == {"texts": n, "replaced": made.rates}


def test_the_rate_grows_over_the_warmup(nlp: Language) -> None:
    made = switcher({"de": {"word": ("wort",)}}, warmup=100)
    counts = []
    for _ in range(200):
        before = made.replaced["de"]
        switched(nlp, made, Doc(nlp.vocab, words=["word"] * 20))
        counts.append(made.replaced["de"] - before)
    assert counts[0] == 0 and counts[100:] == [20] * 100
    assert 0.4 < sum(counts[:100]) / 2000 < 0.6


def test_passes_differ_and_runs_do_not(nlp: Language) -> None:
    def texts(made: WordSwitcher) -> list[str]:
        doc = Doc(nlp.vocab, words=["word"] * 30)
        return [switched(nlp, made, doc).text for _ in range(3)]

    tables = {"de": {"word": ("wort", "vokabel")}, "fr": {"word": ("mot",)}}
    made = switcher(tables, token_rate=0.5)
    copied = pickle.loads(pickle.dumps(made))
    first = texts(made)
    assert len(set(first)) == 3
    assert texts(copied) == first
    assert texts(switcher(tables, token_rate=0.5, seed=1)) != first
    # Half way, as it is when a training is resumed in another process.
    assert texts(pickle.loads(pickle.dumps(made))) == texts(made)


@pytest.mark.parametrize(
    ("sides", "expected"),
    [
        ("both", ("das wort hier", "wort da")),
        ("first", ("das wort hier", "word there")),
        ("second", ("the word here", "wort da")),
    ],
)
def test_pairs_keep_their_separator(nlp: Language, sides: str, expected: tuple[str, str]) -> None:
    table = {"the": ("das",), "word": ("wort",), "here": ("hier",), "there": ("da",)}
    pair = make_pair(nlp, "the word here", "word there")
    new = switched(nlp, switcher({"de": table}, sides=sides), pair)
    assert tuple(side.text for side in split_pair(new)) == expected


def test_each_side_of_a_pair_is_drawn_for_itself(nlp: Language) -> None:
    pair = make_pair(nlp, "word", "word")
    made = switcher({"de": {"word": ("wort",)}}, sentence_rate=0.5)
    found = {switched(nlp, made, pair).text.count("wort") for _ in range(40)}
    assert found == {0, 1, 2}


@given(
    st.lists(st.sampled_from(["word", "Word", " ", "\n", "don't", "3", "x" * 300, "ですが", "."])),
    st.integers(0, 5),
)
def test_any_doc_keeps_its_length_and_its_spaces(words: list[str], seed: int) -> None:
    nlp = spacy.blank("xx")
    doc = Doc(nlp.vocab, words=words)
    new = switched(nlp, switcher({"de": {"word": ("wort",)}}, token_rate=0.7, seed=seed), doc)
    assert len(new) == len(doc)
    for old, token in zip(doc, new, strict=True):
        assert token.whitespace_ == old.whitespace_
        assert token.text == old.text or (old.lower_, token.lower_) == ("word", "wort")


def test_where_tokens_are_not_gold_the_tokenizer_reads_the_new_text(nlp: Language) -> None:
    reference = Doc(nlp.vocab, words=["word-like", "word"], spaces=[True, False])
    given = Example(nlp.make_doc(reference.text), reference)
    assert len(given.predicted) != len(given.reference)
    (found,) = switcher({"de": {"word": ("wort",)}})(nlp, given)
    assert found.reference.text == found.predicted.text == "word-like wort"
    assert len(found.predicted) == len(given.predicted)


# Tables


def test_dictionaries_in_both_directions(nlp: Language, tmp_path: Path) -> None:
    (tmp_path / "en-de.txt").write_text("risk Risiko\nrisk Risiko\nrisk Gefahr\n", encoding="utf-8")
    (tmp_path / "fr-en.txt").write_text("le risque\trisk\nnouveau new\n", encoding="utf-8")
    (tmp_path / "de-en.txt").write_text("neu new\n", encoding="utf-8")
    made = build_code_switch_v1(str(tmp_path), multiword="join")
    assert made.tables == {
        "de": {"new": ("neu",), "risk": ("Risiko", "Risiko", "Gefahr")},
        "fr": {"risk": ("le risque",), "new": ("nouveau",)},
    }
    assert build_code_switch_v1(str(tmp_path), languages=["fr"]).tables == {
        "fr": {"new": ("nouveau",)}
    }


def test_dictionaries_from_parallel_text(tmp_path: Path) -> None:
    write_text(tmp_path / "ru-en.tsv")
    made = build_code_switch_v1(parallel=str(tmp_path), languages=["ru"])
    expected = {fold(a): (fold(b),) for a, b in zip(ENGLISH, FOREIGN, strict=True)}
    assert made.tables["ru"] == {word: expected[word] for word in made.tables["ru"]}
    assert len(made.tables["ru"]) > len(ENGLISH) / 2


def test_synonyms_keep_the_word_as_often_as_each_neighbour(nlp: Language, tmp_path: Path) -> None:
    path = tmp_path / "synonyms.json"
    path.write_text(json.dumps({"word": ["term", "name", "expression"]}), encoding="utf-8")
    made = build_synonyms_v1(str(path))
    new = switched(nlp, made, Doc(nlp.vocab, words=["word"] * 10_000))
    found = [token.text for token in new]
    for word in ("word", "term", "name", "expression"):
        assert abs(found.count(word) / 10_000 - 0.25) < 3 * math.sqrt(0.25 * 0.75 / 10_000)
    path = tmp_path / "synonyms.tsv"
    path.write_text("word\tterm\tname\n", encoding="utf-8")
    made = build_synonyms_v1(str(path), keep_self=False)
    assert made.tables == {"en": {"word": ("term", "name")}}
    assert "word" not in switched(nlp, made, Doc(nlp.vocab, words=["word"] * 50)).text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected one of them"),
        ({"dictionaries": "none", "parallel": "none"}, "expected one of them"),
        ({"dictionaries": "none"}, "none: found translations into \\[\\]"),
        ({"token_rate": 1.5}, r"token_rate = 1\.5: expected a share"),
        ({"warmup": -1}, "warmup = -1"),
        ({"choose": "best"}, 'choose = "best": expected one of language, known'),
        ({"languages": ["de", "xx"]}, r"expected \['xx'\]"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any], message: str) -> None:
    (tmp_path / "en-de.txt").write_text("risk Risiko\n", encoding="utf-8")
    if settings and "dictionaries" not in settings:
        settings = {"dictionaries": str(tmp_path), **settings}
    with pytest.raises(ValueError, match=message):
        _ = build_code_switch_v1(**settings).tables


@pytest.mark.parametrize("text", ["[]", '{"word": "term"}', "{}"])
def test_other_files_than_tables_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "synonyms.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"synonyms\.json: found no synonyms"):
        _ = build_synonyms_v1(str(path)).tables


# Training


def test_a_label_that_only_an_english_word_shows_is_read_in_another_language(bert: str) -> None:
    english = {"place": "Berlin", "person": "Anna"}
    foreign = {"Berlin": "lin", "Anna": "able"}
    table = {word.lower(): (other,) for word, other in foreign.items()}

    def texts(n: int, words: dict[str, str], seed: int) -> list[tuple[str, str]]:
        rng = random.Random(seed)
        made = []
        for _ in range(n):
            label = rng.choice(["place", "person"])
            rest = rng.choices(["the", "lives", "in", "un"], k=3)
            made.append((label, " ".join([*rest[:2], words[label], rest[2]])))
        return made

    def right(augmenter: WordSwitcher | None) -> float:
        fix_random_seed(0)
        nlp = load_model_from_config(config(bert, ["textcat"], "last"), auto_fill=True)
        given = []
        for label, text in texts(40, english, 1):
            doc = nlp.make_doc(text)
            doc.cats = {name: float(name == label) for name in english}
            given.append(Example(nlp.make_doc(text), doc))
        optimizer = nlp.initialize(lambda: given)
        optimizer.learn_rate = 5e-3
        for _ in range(15):
            batch = given if augmenter is None else [x for eg in given for x in augmenter(nlp, eg)]
            nlp.update(batch, sgd=optimizer)
        test = texts(40, {label: foreign[word] for label, word in english.items()}, 2)
        docs = nlp.pipe(text for _, text in test)
        found = [max(doc.cats, key=doc.cats.__getitem__) for doc in docs]
        return sum(a == b for a, (b, _) in zip(found, test, strict=True)) / len(test)

    switched = right(switcher({"xx": table}, case="keep", token_rate=0.5))
    assert switched > 0.95
    assert right(None) < switched - 0.2
