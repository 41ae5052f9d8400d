"""What a row says, and in which order rows come."""

import json
from pathlib import Path

import pytest
import spacy
from annotating import failures, job, rows, rules, settings, write_jsonl
from spacy.tokens import Doc

from dlfa_spacy.annotation.annotator import Annotator
from dlfa_spacy.annotation.output import json_line
from dlfa_spacy.annotation.records import Record


def test_a_row_has_entities_by_character_and_nothing_that_the_pipeline_does_not_set(
    model: str, tmp_path: Path
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Is Ada in Rome?", {"text": "no", "id": 7}])
    job(given, tmp_path / "out", model, tokens=True)
    first, second = rows(tmp_path / "out")
    assert first == {
        "id": "a.jsonl:1",
        "language": None,
        "entities": [
            {"start": 3, "end": 6, "label": "PER", "confidence": None},
            {"start": 10, "end": 14, "label": "LOC", "confidence": None},
        ],
        "tokens": [
            {"start": start, "end": end}
            for start, end in [(0, 2), (3, 6), (7, 9), (10, 14), (14, 15)]
        ],
    }
    assert second["id"] == 7 and second["entities"] == []


def test_a_row_has_all_that_the_pipeline_sets(tmp_path: Path) -> None:
    model = rules(tmp_path / "model", "judge")
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada is in Rome", "Ada"])
    job(given, tmp_path / "out", model, tokens=True)
    first, second = rows(tmp_path / "out")
    assert first["language"] == "en"
    assert first["cats"] == {"long": 1.0} and second["cats"] == {"long": 0.0}
    assert first["spans"] == {"first": [{"start": 0, "end": 3, "label": ""}]}
    assert first["tokens"][3] == {"start": 10, "end": 14, "lemma": "rome"}
    assert [ent["confidence"] for ent in first["entities"]] == [0.5, 0.5]


def test_an_attribute_ruler_sets_what_its_patterns_say(tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("attribute_ruler")
    ruler.add([[{"LOWER": "ada"}]], {"POS": "PROPN"})  # type: ignore[attr-defined]
    annotator = Annotator(lambda: nlp, settings("", tokens=True))
    done = annotator.annotate([Record("a", 1, {"text": "Ada"})], lambda row: row)
    assert done.rows[0]["tokens"] == [{"start": 0, "end": 3, "pos": "PROPN"}]


def test_columns_are_carried_along_unchanged_and_the_text_only_if_asked(
    model: str, tmp_path: Path
) -> None:
    values = {"n": 1.5, "list": [1, {"a": None}], "none": None, "text": "Ada"}
    given = write_jsonl(tmp_path / "a.jsonl", [values, {"text": "Rome"}])
    job(given, tmp_path / "without", model)
    assert not set(rows(tmp_path / "without")[0]) & set(values)
    job(given, tmp_path / "with", model, keep=tuple(values))
    first, second = rows(tmp_path / "with")
    assert {name: first[name] for name in values} == values
    assert second["n"] is None and second["text"] == "Rome"


def test_rows_come_in_the_order_of_the_input_whatever_their_length(
    model: str, tmp_path: Path
) -> None:
    texts = [f"{'x ' * ((7 * n) % 23)}{n}" for n in range(50)]
    write_jsonl(tmp_path / "in/b.jsonl", texts[:31])
    write_jsonl(tmp_path / "in/sub/c.jsonl", texts[31:])
    job(tmp_path / "in", tmp_path / "out", model, keep=("text",), shard_size=8, batch_size=3)
    found = rows(tmp_path / "out")
    assert [row["text"] for row in found] == texts
    assert [found[30]["id"], found[31]["id"]] == ["b.jsonl:31", "sub/c.jsonl:1"]
    names = sorted(path.name for path in (tmp_path / "out/rows").iterdir())
    assert names[3:5] == ["part-00000-000003.jsonl", "part-00001-000000.jsonl"]


class Batches:
    """A pipe that remembers which texts came together."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def __call__(self, doc: Doc) -> Doc:
        return doc

    def pipe(self, docs, batch_size):
        docs = list(docs)
        self.seen.append([doc.text for doc in docs])
        yield from docs


def test_a_batch_has_texts_of_one_length_and_an_end_in_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nlp = spacy.blank("xx")
    batches = Batches()
    spacy.Language.component("batches", func=lambda doc: doc)
    nlp.add_pipe("batches")
    nlp._components[0] = ("batches", batches)
    annotator = Annotator(lambda: nlp, settings("", batch_size=2))
    texts = ["aaaa", "b", "ccc", "dd", "eeeee"]
    records = [Record("a", n, {"text": text}) for n, text in enumerate(texts)]
    annotator.annotate(records, json_line)
    assert batches.seen == [["b", "dd"], ["ccc", "aaaa"], ["eeeee"]]
    batches.seen.clear()
    # A row that is left out changes no other batch.
    annotator.annotate(records, json_line, skip={3: "killed"})
    assert batches.seen == [["b"], ["ccc", "aaaa"], ["eeeee"]]
    batches.seen.clear()
    monkeypatch.setattr("dlfa_spacy.annotation.batches._CHARACTERS", 6)
    Annotator(lambda: nlp, settings("", batch_size=9)).annotate(records, json_line)
    assert batches.seen == [["b", "dd", "ccc"], ["aaaa"], ["eeeee"]]


def test_a_text_that_fails_is_tried_again_alone_and_the_others_are_annotated(
    model: str, tmp_path: Path
) -> None:
    flaky = f"Ada FAIL:3:{tmp_path / 'times'}"
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "Rome FAIL", flaky, "Rome"])
    done = job(given, tmp_path / "out", model)
    assert (done.annotated, done.failed) == (3, 1)
    assert [row["id"] for row in rows(tmp_path / "out")] == [f"a.jsonl:{n}" for n in (1, 3, 4)]
    assert failures(tmp_path / "out") == [
        {
            "id": "a.jsonl:2",
            "file": "a.jsonl",
            "row": 2,
            "error": "RuntimeError",
            "message": "told to fail",
        }
    ]


def test_retries_have_an_end(model: str, tmp_path: Path) -> None:
    flaky = f"FAIL:4:{tmp_path / 'times'}"
    given = write_jsonl(tmp_path / "a.jsonl", [flaky])
    assert job(given, tmp_path / "out", model, retries=2).failed == 1
    assert len((tmp_path / "times").read_text()) == 3


def test_half_of_a_surrogate_pair_in_a_kept_column_is_escaped() -> None:
    line = json_line({"kept": "\ud800", "text": "é"})
    assert json.loads(line) == {"kept": "\ud800", "text": "é"}
    assert "é".encode() in json_line({"text": "é"})
