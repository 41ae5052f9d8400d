"""The embedded sentence pairs: enough of them, each its own, and none of them evaluation text."""

import json
from collections.abc import Iterator

import pytest
from places import ROOT

from dlfa_spacy.parallel import ParallelCorpus, find_sources, read_dictionaries
from dlfa_spacy.parallel.dictionary import fold
from dlfa_spacy.parallel.raw import clean

ASSETS = ROOT / "assets"
PARALLEL = ASSETS / "parallel"
LANGUAGES = ["ar", "de", "es", "fr", "hi", "ru", "tr", "zh"]
# The letters in which most words of a language are written.
SCRIPTS = {"ar": ("\u0600", "\u06ff"), "hi": ("\u0900", "\u097f"), "ru": ("\u0400", "\u04ff")}
SCRIPTS["zh"] = ("\u4e00", "\u9fff")


def folded(text: str) -> str:
    return "".join(character for character in clean(text).casefold() if character.isalnum())


def texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_of(item)


def corpus_texts() -> set[str]:
    """RETURNS: Every sentence of the embedded corpus, in every language."""
    found = set()
    for file in (ASSETS / "corpus").rglob("*.conllu"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith(("# text = ", "# text_en = ")):
                found.add(folded(line.split(" = ", 1)[1]))
    for file in (ASSETS / "corpus" / "nli").rglob("*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            found.update(folded(text) for text in texts_of(json.loads(line)))
    return found


def test_there_is_enough_of_every_language() -> None:
    assert [source.language for source in find_sources(PARALLEL)] == LANGUAGES
    corpus = ParallelCorpus(PARALLEL)
    pairs = list(corpus)
    assert len({pair.target_text for pair in pairs}) >= 300
    for language, counts in corpus.counts.items():
        assert counts.kept >= 40, language
        assert (counts.empty, counts.identical, counts.duplicates) == (0, 0, 0), language


def test_no_sentence_is_in_the_embedded_corpus() -> None:
    known = corpus_texts()
    assert len(known) > 1000, "the corpus was not read"
    for pair in ParallelCorpus(PARALLEL):
        for text in (pair.source_text, pair.target_text):
            assert folded(text) not in known, text


@pytest.mark.parametrize("language", sorted(SCRIPTS))
def test_sentences_are_in_the_script_of_their_language(language: str) -> None:
    low, high = SCRIPTS[language]
    for pair in ParallelCorpus(PARALLEL, languages=[language]):
        letters = [c for c in pair.source_text if c.isalpha()]
        assert sum(low <= c <= high for c in letters) > 0.9 * len(letters), pair.source_text
        assert pair.target_text.isascii(), pair.target_text


def test_both_sides_end_alike_and_are_short() -> None:
    ends = {"؟": "?", "？": "?", "।": ".", "。": "."}
    for pair in ParallelCorpus(PARALLEL):
        end = pair.source_text[-1]
        assert ends.get(end, end) == pair.target_text[-1], pair.source_text
        assert len(pair.target_words) <= 20


def test_every_entry_of_the_dictionaries_links_words_somewhere() -> None:
    dictionaries = read_dictionaries(PARALLEL / "dictionary")
    assert sorted(dictionaries) == LANGUAGES
    corpus = ParallelCorpus(PARALLEL, dictionaries=dictionaries)
    used = {
        (pair.language, fold(pair.source_words[a]), fold(pair.target_words[b]))
        for pair in corpus
        for a, b in pair.links
    }
    for language, dictionary in dictionaries.items():
        assert (dictionary.duplicates, dictionary.identical) == (0, 0), language
        for entry in dictionary.entries():
            assert (language, *entry) in used, (language, entry)
        counts = corpus.counts[language]
        assert counts.links > 1.5 * counts.kept, language
