"""Order of export, what a pipeline is sure of, and how corrections become a corpus."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from dlfa_spacy.annotation.exchange import (
    Entity,
    Notes,
    Record,
    labels_of,
    least_certain_first,
    predict,
    read_texts,
    write_corpus,
)
from dlfa_spacy.corpora import read_docs


def test_languages_take_turns_and_each_begins_with_its_least_certain() -> None:
    made = [
        Record("a", language="de", confidence=0.9),
        Record("b", language="de", confidence=None),
        Record("c", language="de", confidence=0.2),
        Record("d", language=None, confidence=0.5),
        Record("e", language="zh", confidence=None),
        Record("f", language="de", confidence=None),
        Record("g", language="zh", confidence=0.95),
    ]
    assert "".join(record.text for record in least_certain_first(made)) == "cdgaebf"
    assert [record.text for record in least_certain_first(made, limit=2)] == ["c", "d"]
    assert least_certain_first([]) == []


@pytest.fixture
def confidence() -> Any:
    had = Span.has_extension("confidence")
    if not had:
        Span.set_extension("confidence", default=None)
    yield
    if not had:
        Span.remove_extension("confidence")


@Language.component("test_exchange_sure")
def sure(doc: Doc) -> Doc:
    for number, ent in enumerate(doc.ents):
        ent._.confidence = None if ent.text == "Rome" else 0.25 + number / 2
    return doc


def ruled(nlp: Language | None = None) -> Language:
    nlp = nlp or spacy.blank("xx")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "LOC", "pattern": name} for name in ("Rome", "Oslo", "Bern")])
    return nlp


def test_a_text_is_as_certain_as_its_least_certain_entity(confidence: None) -> None:
    nlp = ruled()
    nlp.add_pipe("test_exchange_sure")
    texts = [Record(text) for text in ("Oslo Bern", "Rome", "Rome Bern", "nothing")]
    found = list(predict(nlp, texts, labels_of(nlp)))
    assert [record.confidence for record in found] == [0.25, None, 0.75, None]
    assert [ent.confidence for ent in found[2].entities] == [None, 0.75]


def test_without_the_extension_there_is_no_confidence() -> None:
    if Span.has_extension("confidence"):
        pytest.skip("another test has registered it")
    nlp = ruled()
    (found,) = predict(nlp, [Record("Oslo", language="no", meta={"id": 1})], labels_of(nlp))
    assert (found.confidence, found.language, found.meta) == (None, "no", {"id": 1})
    assert found.entities == [Entity(0, 4, "LOC")]


@pytest.mark.parametrize("factory", ["textcat", "textcat_multilabel"])
def test_a_classifier_is_as_certain_as_its_choice(factory: str) -> None:
    nlp = spacy.blank("xx")
    textcat: Any = nlp.add_pipe(factory)
    for label in ("a", "b", "c"):
        textcat.add_label(label)
    nlp.initialize()
    ruled(nlp)
    labels = labels_of(nlp, ["categories"])
    assert labels.categories == ["a", "b", "c"] and labels.entities == []
    assert labels.exclusive == (factory == "textcat")
    (found,) = predict(nlp, [Record("Oslo")], labels)
    cats = nlp("Oslo").cats
    assert found.entities == []
    if labels.exclusive:
        assert found.categories == [max(cats, key=lambda label: cats[label])]
        assert found.confidence == pytest.approx(max(cats.values()))
    else:
        assert found.categories == [label for label, score in cats.items() if score >= 0.5]
        assert found.confidence == pytest.approx(min(max(x, 1 - x) for x in cats.values()))


def test_a_pipeline_without_labels_is_an_error() -> None:
    with pytest.raises(ValueError, match="(?s)--model.*categories.*Fix:"):
        labels_of(ruled(), ["categories"])


def test_texts_are_read_from_any_file_without_blank_ones(tmp_path: Path) -> None:
    lines = tmp_path / "texts.txt"
    lines.write_text("one\n\n  \ntwo\n", encoding="utf-8")
    assert [record.text for record in read_texts(lines)] == ["one", "two"]
    rows = tmp_path / "texts.jsonl"
    rows.write_text('{"text": "a", "lang": "de", "meta": {"id": 1}}\n{"text": " "}\n', "utf-8")
    assert list(read_texts(rows)) == [Record("a", language="de", meta={"id": 1}, line=1)]
    write_corpus([Record("a", language="fr")], tmp_path, source=rows, notes=Notes())
    (found,) = read_texts(tmp_path / "fr" / "train.spacy")
    assert (found.text, found.language) == ("a", "fr")
    rows.write_text('{"body": "a"}\n', "utf-8")
    with pytest.raises(ValueError, match="(?s)texts.jsonl:1.*Fix:"):
        list(read_texts(rows))


def imported(tmp_path: Path, record: Record, **settings: Any) -> tuple[list[str], dict[str, int]]:
    notes = Notes()
    write_corpus([record], tmp_path, source=tmp_path, notes=notes, language="en", **settings)
    (doc,) = read_docs(tmp_path / "en" / "train.spacy")
    return [ent.text for ent in doc.ents], {k: n for k, n in notes.counts.items() if n}


def test_entities_that_do_not_fit_the_tokens(tmp_path: Path) -> None:
    record = Record("Berliners in Bern", [Entity(0, 6, "LOC"), Entity(13, 17, "LOC")])
    expanded = imported(tmp_path, record)
    assert expanded == (["Berliners", "Bern"], {"misaligned": 1})
    assert imported(tmp_path, record, misaligned="drop") == (["Bern"], {"misaligned": 1})
    with pytest.raises(ValueError, match="(?s)--misaligned.*Fix:"):
        imported(tmp_path, record, misaligned="keep")


def test_white_space_around_an_entity_is_no_part_of_it(tmp_path: Path) -> None:
    record = Record("in  Bern \n now", [Entity(2, 10, "LOC"), Entity(8, 10, "LOC")])
    assert imported(tmp_path, record) == (["Bern"], {"empty": 1})


def test_of_entities_that_overlap_the_longest_is_kept(tmp_path: Path) -> None:
    record = Record("New York City", [Entity(0, 8, "LOC"), Entity(0, 13, "LOC")])
    assert imported(tmp_path, record) == (["New York City"], {"overlapping": 1})


def test_texts_go_to_the_folder_of_their_language(tmp_path: Path) -> None:
    made = [Record("a", language="de"), Record("b"), Record("c", language="zh-hans")]
    counts = write_corpus(
        made, tmp_path, source=tmp_path, notes=Notes(), language="de", split="dev"
    )
    assert counts == {"de": 2, "zh-hans": 1}
    docs = list(read_docs(tmp_path / "de" / "dev.spacy"))
    assert [(doc.text, doc._.language) for doc in docs] == [("a", "de"), ("b", "de")]
    # Everybody was asked for entities, and found none.
    assert all(doc.has_annotation("ENT_IOB") and not doc.ents for doc in docs)


@pytest.mark.parametrize("language", [None, "../x", "German", ""])
def test_nothing_is_written_without_a_language_for_each(language: str, tmp_path: Path) -> None:
    made = [Record("a", language="de"), Record("b", language=language, line=2)]
    target = tmp_path / "corpus"
    with pytest.raises(ValueError, match=r"(?s):2: found.*language.*Fix: --language"):
        write_corpus(made, target, source=tmp_path, notes=Notes())
    assert not target.exists()


def test_nothing_accepted_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="(?s)no annotated text.*Fix:"):
        write_corpus([], tmp_path, source=tmp_path, notes=Notes())
