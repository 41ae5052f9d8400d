"""The embedded corpus is well-formed CoNLL-U, parallel across languages and free of templates."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from places import ROOT

CORPUS = ROOT / "assets" / "corpus"
FILES = sorted(CORPUS.glob("*/*.conllu"))
TARGETS = sorted(p.parent.name for p in CORPUS.glob("*/test.conllu") if p.parent.name != "en")
REQUIRED_TARGETS = {"ar", "de", "es", "fr", "hi", "nl", "pt", "ru", "zh"}

UPOS = set("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
TOPICS = {"politics", "sports", "health", "science", "travel", "entertainment", "business"}
CORE_GENRES = {"news", "mail", "reviews", "encyclopedia", "dialogue"}
GENRES = CORE_GENRES | {"headline", "instructions", "web"}
ENTITY_TYPES = {"PER", "ORG", "LOC"}
MISC_KEYS = {"Entity", "SpaceAfter"}
# "&" is a conjunction and a bare apostrophe the possessive of a plural, not symbols.
SIGNS = {"&", "'", "’"}
N_TEST = 50


@dataclass
class Word:
    form: str
    upos: str
    misc: dict[str, str]


@dataclass
class Sentence:
    name: str
    comments: dict[str, str]
    rows: list[list[str]]
    words: list[Word] = field(default_factory=list)

    def entities(self) -> list[tuple[str, str]]:
        """Returns (type, surface form) of every entity, left to right."""
        found: list[tuple[str, list[str]]] = []
        for word in self.words:
            tag = word.misc.get("Entity", "O")
            if tag.startswith("B-"):
                found.append((tag[2:], [word.form]))
            elif tag.startswith("I-"):
                found[-1][1].append(word.form)
        return [(label, " ".join(forms)) for label, forms in found]


def parse_misc(cell: str) -> dict[str, str]:
    return {} if cell == "_" else dict(item.split("=", 1) for item in cell.split("|"))


@cache
def read(path: Path) -> list[Sentence]:
    """Reads with a parser of its own, so that a bug of the package's reader cannot hide here."""
    sentences = []
    for block in path.read_text(encoding="utf-8").strip().split("\n\n"):
        lines = block.split("\n")
        comments = dict(
            (key.strip(), value.strip())
            for key, _, value in (line[1:].partition("=") for line in lines if line[0] == "#")
        )
        rows = [line.split("\t") for line in lines if line[0] != "#"]
        name = f"{path.parent.name}/{path.name}:{comments.get('sent_id')}"
        sentence = Sentence(name, comments, rows)
        for row in rows:
            assert len(row) == 10, f"{name}: {len(row)} columns, 10 expected: {row}"
            if "-" not in row[0]:
                sentence.words.append(Word(row[1], row[3], parse_misc(row[9])))
        sentences.append(sentence)
    return sentences


def surface_text(sentence: Sentence) -> str:
    """Rebuilds the raw text from FORM and SpaceAfter, a range line standing for its words."""
    pieces, covered = [], 0
    for row in sentence.rows:
        if "-" in row[0]:
            covered = int(row[0].split("-")[1])
        elif int(row[0]) <= covered:
            continue
        gap = "" if parse_misc(row[9]).get("SpaceAfter") == "No" else " "
        pieces.append(row[1] + gap)
    return "".join(pieces).rstrip()


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def test_the_promised_languages_are_there() -> None:
    assert (CORPUS / "en" / "test.conllu").is_file()
    assert set(TARGETS) >= REQUIRED_TARGETS


@pytest.mark.parametrize("path", FILES, ids=name_of)
class TestEveryFile:
    def test_ends_with_one_blank_line_and_has_unix_line_ends(self, path: Path) -> None:
        data = path.read_bytes()
        assert b"\r" not in data
        assert data.endswith(b"\n\n") and not data.endswith(b"\n\n\n")

    def test_cells_are_filled_as_declared(self, path: Path) -> None:
        for sentence in read(path):
            for row in sentence.rows:
                assert all(cell and cell == cell.strip() for cell in row), (sentence.name, row)
                assert set(parse_misc(row[9])) <= MISC_KEYS, (sentence.name, row)
                assert parse_misc(row[9]).get("SpaceAfter", "No") == "No", (sentence.name, row)

    def test_no_form_has_white_space_inside(self, path: Path) -> None:
        """Vietnamese words would, and no tokenizer of raw text could yield such tokens."""
        for sentence in read(path):
            for row in sentence.rows:
                assert len(row[1].split()) == 1, (sentence.name, row)

    def test_ids_count_words_and_ranges_cover_words_to_come(self, path: Path) -> None:
        for sentence in read(path):
            expected, covered = 1, 0
            for row in sentence.rows:
                if "-" in row[0]:
                    start, end = map(int, row[0].split("-"))
                    assert start == expected > covered, (sentence.name, row)
                    assert end > start or row[1], (sentence.name, row)
                    assert row[2:9] == ["_"] * 7 and "Entity" not in row[9], (sentence.name, row)
                    covered = end
                else:
                    assert int(row[0]) == expected, (sentence.name, row)
                    expected += 1
            assert covered < expected, sentence.name

    def test_tags_are_universal_and_punctuation_is_tagged_so(self, path: Path) -> None:
        for sentence in read(path):
            for word in sentence.words:
                assert word.upos in UPOS, (sentence.name, word)
                has_letters = any(ch.isalnum() for ch in word.form)
                if word.upos == "PUNCT":
                    assert not has_letters, (sentence.name, word)
                elif not has_letters:
                    assert word.upos == "SYM" or word.form in SIGNS, (sentence.name, word)

    def test_entities_are_valid_iob2(self, path: Path) -> None:
        for sentence in read(path):
            previous = "O"
            for word in sentence.words:
                tag = word.misc.get("Entity", "O")
                if tag != "O":
                    prefix, _, label = tag.partition("-")
                    assert prefix in {"B", "I"} and label in ENTITY_TYPES, (sentence.name, word)
                    if prefix == "I":
                        assert previous[2:] == label, (sentence.name, word, previous)
                previous = tag

    def test_every_entity_holds_a_name_and_starts_with_no_article_or_preposition(
        self, path: Path
    ) -> None:
        for sentence in read(path):
            spans: list[list[Word]] = []
            for word in sentence.words:
                tag = word.misc.get("Entity", "O")
                if tag.startswith("B-"):
                    spans.append([word])
                elif tag.startswith("I-"):
                    spans[-1].append(word)
            for span in spans:
                tags = [word.upos for word in span]
                named = "PROPN" in tags or len(span) > 1
                assert named, (sentence.name, span)
                assert tags[0] not in {"ADP", "PUNCT", "CCONJ"}, (sentence.name, span)

    def test_text_is_rebuilt_from_the_tokens(self, path: Path) -> None:
        for sentence in read(path):
            assert surface_text(sentence) == sentence.comments["text"], sentence.name

    def test_comments_name_a_known_genre_and_topic(self, path: Path) -> None:
        for sentence in read(path):
            assert sentence.comments["genre"] in GENRES, sentence.name
            assert sentence.comments["topic"] in TOPICS, sentence.name

    def test_sentence_ids_are_unique_and_name_their_part(self, path: Path) -> None:
        ids = [sentence.comments["sent_id"] for sentence in read(path)]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(rf"(en-)?{path.stem}-\d{{3,}}", i) for i in ids)

    def test_every_topic_and_core_genre_occurs(self, path: Path) -> None:
        sentences = read(path)
        assert {s.comments["genre"] for s in sentences} >= CORE_GENRES
        assert {s.comments["topic"] for s in sentences} == TOPICS


def trigrams(sentence: Sentence) -> set[tuple[str, ...]]:
    forms = [w.form.casefold() for w in sentence.words if w.upos != "PUNCT"]
    return {tuple(forms[i : i + 3]) for i in range(len(forms) - 2)}


def template_pairs(sentences: list[Sentence]) -> list[tuple[str, str]]:
    """Pairs of which the shorter sentence shares at least half of its word trigrams."""
    grams = [trigrams(sentence) for sentence in sentences]
    where: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, gram_set in enumerate(grams):
        for gram in gram_set:
            where[gram].append(index)
    shared: Counter[tuple[int, int]] = Counter()
    for indices in where.values():
        shared.update(combinations(indices, 2))
    return [
        (sentences[a].comments["text"], sentences[b].comments["text"])
        for (a, b), count in shared.items()
        if 2 * count >= min(len(grams[a]), len(grams[b]))
    ]


@pytest.mark.parametrize("lang", ["en", *TARGETS])
def test_no_two_sentences_of_a_language_share_half_of_their_trigrams(lang: str) -> None:
    sentences = [s for path in FILES if path.parent.name == lang for s in read(path)]
    assert template_pairs(sentences) == []


def test_the_trigram_check_finds_a_template() -> None:
    def sentence(text: str) -> Sentence:
        return Sentence("x", {"text": text}, [], [Word(w, "X", {}) for w in text.split()])

    first, second = sentence("we fly to Oslo next week"), sentence("we fly to Oslo on Monday")
    assert len(template_pairs([first, second])) == 1
    assert template_pairs([first, sentence("who will be in Oslo next week ?")]) == []


@pytest.mark.parametrize("lang", TARGETS)
class TestTranslations:
    def test_they_hold_the_english_sentences_in_the_same_order(self, lang: str) -> None:
        english, target = read(CORPUS / "en/test.conllu"), read(CORPUS / lang / "test.conllu")
        assert len(english) == N_TEST
        for source, sentence in zip(english, target, strict=True):
            for key in ("sent_id", "genre", "topic"):
                assert sentence.comments[key] == source.comments[key], sentence.name
            assert sentence.comments["text_en"] == source.comments["text"], sentence.name

    def test_they_name_the_same_entities_as_the_english_ones(self, lang: str) -> None:
        """Types are compared as a multiset: word order moves names about."""
        english, target = read(CORPUS / "en/test.conllu"), read(CORPUS / lang / "test.conllu")
        differing = 0
        for source, sentence in zip(english, target, strict=True):
            there = Counter(label for label, _ in source.entities())
            here = Counter(label for label, _ in sentence.entities())
            distance = ((there - here) + (here - there)).total()
            assert distance <= 1, (sentence.name, there, here)
            differing += distance
        assert differing <= 0.05 * N_TEST

    def test_they_are_translated_and_of_similar_length(self, lang: str) -> None:
        english, target = read(CORPUS / "en/test.conllu"), read(CORPUS / lang / "test.conllu")
        for source, sentence in zip(english, target, strict=True):
            assert sentence.comments["text"] != source.comments["text"], sentence.name
            ratio = len(sentence.words) / len(source.words)
            assert 0.4 < ratio < 2.2, (sentence.name, ratio)


def test_at_least_half_of_the_test_entities_are_unseen_in_training() -> None:
    train = CORPUS / "en" / "train.conllu"
    if not train.is_file():
        pytest.skip(f"{train} is not there")
    seen = {form.casefold() for s in read(train) for _, form in s.entities()}
    tested = [form.casefold() for s in read(CORPUS / "en/test.conllu") for _, form in s.entities()]
    unseen = [form for form in tested if form not in seen]
    assert len(unseen) >= 0.5 * len(tested)


def test_no_test_sentence_is_in_training_or_development_data() -> None:
    tested = {s.comments["text"] for s in read(CORPUS / "en/test.conllu")}
    for part in ("train", "dev"):
        path = CORPUS / "en" / f"{part}.conllu"
        if path.is_file():
            assert not tested & {s.comments["text"] for s in read(path)}
