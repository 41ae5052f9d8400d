"""What each tool writes and reads, and that what it accepts comes back as it went."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Span

from dlfa_spacy.annotation.exchange import (
    TOOLS,
    Entity,
    Labels,
    Notes,
    Record,
    find_tool,
    labels_of,
    predict,
    write_corpus,
)
from dlfa_spacy.corpora import read_docs
from dlfa_spacy.tokenizer import make_tokenizer

TEXTS = {
    "en": ("Maria Lopez moved from Madrid to London .", ["Maria Lopez", "Madrid", "London"]),
    "ar": ("محمد يعيش في القاهرة منذ عام 1990.", ["محمد", "القاهرة"]),
    "zh": ("王小明在北京大学学习。", ["王小明", "北京大学"]),
    "th": ("สมชายอาศัยอยู่ในกรุงเทพมหานคร", ["สมชาย", "กรุงเทพมหานคร"]),
    # Flags, a skin tone, a family with joiners, letters beyond the first plane.
    "de": ("🇩🇪 👍🏽 Anna 👨‍👩‍👧 wohnt in 𝔅erlin 😀, nicht in Köln", ["Anna", "𝔅erlin 😀", "Köln"]),
}
LABELS = Labels(["LOC"], [], True)


def records() -> list[Record]:
    """Each text with its entities, found by a ruler."""
    nlp = spacy.blank("xx")
    nlp.tokenizer = make_tokenizer(nlp)
    ruler: Any = nlp.add_pipe("entity_ruler")
    phrases = [phrase for _, phrases in TEXTS.values() for phrase in phrases]
    ruler.add_patterns([{"label": "LOC", "pattern": phrase} for phrase in phrases])
    texts = [Record(text, language=language) for language, (text, _) in TEXTS.items()]
    found = list(predict(nlp, texts, labels_of(nlp)))
    for record, (text, phrases) in zip(found, TEXTS.values(), strict=True):
        assert [text[ent.start : ent.end] for ent in record.entities] == phrases
    return found


def accepted(tool: str, written: str) -> str:
    """RETURNS: What the tool exports once a person has accepted everything."""
    if tool == "labelstudio":
        tasks = json.loads(written)
        for task in tasks:
            (prediction,) = task.pop("predictions")
            task["annotations"] = [{"result": prediction["result"], "was_cancelled": False}]
        return json.dumps(tasks)
    # Not str.splitlines: a text may have other line ends in it, such as U+0085.
    rows = [json.loads(line) for line in written.split("\n") if line]
    if tool == "prodigy":
        rows = [{**row, "answer": "accept", "_input_hash": 1} for row in rows]
    else:
        rows = [{"id": 1, **row, "Comments": []} for row in rows]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read(tool: str, path: Path, content: str, notes: Notes | None = None) -> list[Record]:
    path.write_text(content, encoding="utf-8")
    return list(find_tool(tool).read(path, notes or Notes()))


@pytest.mark.parametrize("tool", TOOLS)
def test_what_is_accepted_comes_back_in_every_script(tool: str, tmp_path: Path) -> None:
    sent = records()
    written = "".join(find_tool(tool).write(sent, LABELS, "xx_test-1.0"))
    notes = Notes()
    back = read(tool, tmp_path / "corrected", accepted(tool, written), notes)
    assert [(x.text, x.entities, x.language) for x in back] == [
        (x.text, x.entities, x.language) for x in sent
    ]
    write_corpus(back, tmp_path / "corpus", source=tmp_path, notes=notes)
    assert notes.in_words() == []
    for record in sent:
        (doc,) = read_docs(tmp_path / "corpus" / str(record.language) / "train.spacy")
        assert doc.text == record.text and doc._.language == record.language
        assert [e.text for e in doc.ents] == TEXTS[str(record.language)][1]
        assert [(e.start_char, e.end_char) for e in doc.ents] == [
            (e.start, e.end) for e in record.entities
        ]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("exclusive", [True, False])
def test_categories_come_back_too(tool: str, exclusive: bool, tmp_path: Path) -> None:
    chosen = ["sports"] if exclusive else ["sports", "health & food"]
    labels = Labels([], ["sports", "health & food", "travel"], exclusive)
    sent = [Record("A text", [], chosen, "en", 0.25, meta={"id": 7}), Record("B", [], [], "en")]
    written = "".join(find_tool(tool).write(sent, labels, "xx_test-1.0"))
    assert "0.25" in written and "xx_test-1.0" in written and '"id": 7' in written
    back = read(tool, tmp_path / "x", accepted(tool, written))
    assert [record.categories for record in back] == [chosen, []]
    write_corpus(back, tmp_path, source=tmp_path, notes=Notes())
    docs = list(read_docs(tmp_path / "en" / "train.spacy"))
    assert [doc.cats for doc in docs] == [dict.fromkeys(chosen, 1.0), dict.fromkeys(chosen, 0.0)]
    # Nobody was asked for entities: they are missing, not absent.
    assert not docs[0].has_annotation("ENT_IOB")


@pytest.mark.parametrize("tool", TOOLS)
def test_entities_and_categories_together(tool: str, tmp_path: Path) -> None:
    labels = Labels(["LOC"], ["travel"], True)
    record = Record("in Rome", [Entity(3, 7, "LOC")], ["travel"], "en", None, [(0, 2), (3, 7)])
    written = "".join(find_tool(tool).write([record], labels, "m"))
    (back,) = read(tool, tmp_path / "x", accepted(tool, written))
    assert (back.entities, back.categories) == (record.entities, record.categories)


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_to_write_is_still_a_file_of_the_tool(tool: str, tmp_path: Path) -> None:
    written = "".join(find_tool(tool).write([], LABELS, "m"))
    assert read(tool, tmp_path / "x", written) == []


def test_tasks_of_label_studio_have_predictions_in_its_format() -> None:
    record = Record("in Rome", [Entity(3, 7, "LOC", 0.5)], [], "it", 0.5)
    (task,) = json.loads("".join(TOOLS["labelstudio"].write([record], LABELS, "xx_m-1.0")))
    assert task == {
        "data": {"text": "in Rome", "language": "it"},
        "predictions": [
            {
                "model_version": "xx_m-1.0",
                "score": 0.5,
                "result": [
                    {
                        "id": "e0",
                        "from_name": "label",
                        "to_name": "text",
                        "type": "labels",
                        "score": 0.5,
                        "value": {"start": 3, "end": 7, "text": "Rome", "labels": ["LOC"]},
                    }
                ],
            }
        ],
    }


def test_tasks_of_prodigy_have_tokens_and_the_last_token_of_each_span() -> None:
    record = records()[0]
    (line,) = TOOLS["prodigy"].write([record], LABELS, "m")
    task = json.loads(line)
    assert task["tokens"][1] == {"text": "Lopez", "start": 6, "end": 11, "id": 1, "ws": True}
    assert task["spans"][0] == {
        "start": 0,
        "end": 11,
        "token_start": 0,
        "token_end": 1,
        "label": "LOC",
    }
    assert task["meta"] == {"model": "m", "language": "en"}


def test_the_labeling_config_is_xml_that_names_every_label() -> None:
    labels = Labels(["LOC", 'a "b" & <c>'], ["travel"], False)
    root = ElementTree.fromstring(TOOLS["labelstudio"].setup(labels))
    assert [x.get("value") for x in root.iter("Label")] == labels.entities
    (choices,) = root.iter("Choices")
    assert choices.get("choice") == "multiple"
    assert choices.get("toName") == next(root.iter("Text")).get("name") == "text"
    assert json.loads(TOOLS["doccano"].setup(LABELS)) == [{"text": "LOC"}]
    assert TOOLS["prodigy"].setup(labels).splitlines()[1] == "--label travel"


def ls_task(text: str, *results: Any, **annotation: Any) -> dict[str, Any]:
    return {
        "data": {"text": text, "lang": "de"},
        "annotations": [{"result": list(results), "was_cancelled": False, **annotation}],
    }


def region(start: int, end: int, text: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text, "labels": ["LOC", "ORG"]}
    return {"type": "labels", "value": value}


def test_what_label_studio_exports_besides(tmp_path: Path) -> None:
    several = ls_task("in Rom", region(0, 2, "in"))
    several["annotations"] += [
        {"result": [region(3, 6, "Rom")], "ground_truth": True},
        {"result": []},
    ]
    tasks = [
        ls_task("in Rom", region(3, 6, "Rom"), {"type": "relation", "from_id": "a"}),
        ls_task("skipped", was_cancelled=True),
        {"data": {"text": "open"}, "predictions": [{"result": [region(0, 4, "open")]}]},
        several,
    ]
    notes = Notes()
    back = read("labelstudio", tmp_path / "x.json", json.dumps(tasks), notes)
    assert [(x.text, x.entities, x.language) for x in back] == [
        ("in Rom", [Entity(3, 6, "LOC")], "de")
    ] * 2
    # A relation, and a second label of the same region, twice.
    assert notes.counts == {"ignored": 3, "rejected": 1, "unanswered": 1, "several": 2}


def test_utf16_offsets_of_old_exports_are_told_by_the_text_of_the_entity(tmp_path: Path) -> None:
    text = "😀😀 Rom 😀 Rom"
    notes = Notes()
    tasks = [ls_task(text, region(5, 8, "Rom"), region(12, 15, "Rom"), region(3, 6, "Rom"))]
    (back,) = read("labelstudio", tmp_path / "x", json.dumps(tasks), notes)
    assert [(x.start, x.end) for x in back.entities] == [(3, 6), (9, 12), (3, 6)]
    assert notes.counts["utf16"] == 2


def test_what_prodigy_exports_besides(tmp_path: Path) -> None:
    rows = [
        {"text": "a", "answer": "reject"},
        {"text": "b", "answer": "ignore"},
        {"text": "c", "label": "SPORT", "answer": "accept", "meta": {"language": "fr"}},
        {"text": "d", "spans": [{"start": 0, "end": 1, "label": "X"}], "relations": [{}, {}]},
    ]
    notes = Notes()
    content = "".join(json.dumps(row) + "\n" for row in rows)
    back = read("prodigy", tmp_path / "x", content, notes)
    assert [(x.text, x.entities, x.categories, x.language) for x in back] == [
        ("c", [], ["SPORT"], "fr"),
        ("d", [Entity(0, 1, "X")], [], None),
    ]
    assert notes.counts == {"rejected": 2, "ignored": 2}


def test_what_doccano_exports_in_projects_of_all_kinds(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "text": "in Rom", "label": [[3, 6, "LOC"]], "Comments": []},
        {"id": 2, "text": "in Rom", "labels": [[3, 6, "LOC"]]},
        {
            "id": 3,
            "text": "in Rom",
            "entities": [{"id": 9, "label": "LOC", "start_offset": 3, "end_offset": 6}],
            "relations": [{"id": 1, "from_id": 9, "to_id": 9, "type": "x"}],
        },
        {"id": 4, "text": "in Rom", "entities": [[3, 6, "LOC"]], "cats": ["travel"]},
        {"id": 5, "text": "in Rom", "label": ["travel"]},
        {"id": 6, "text": "in Rom"},
    ]
    notes = Notes()
    content = "".join(json.dumps(row) + "\n" for row in rows)
    back = read("doccano", tmp_path / "x", content, notes)
    assert [x.entities for x in back] == [[Entity(3, 6, "LOC")]] * 4 + [[]]
    assert [x.categories for x in back] == [[], [], [], ["travel"], ["travel"]]
    assert notes.counts == {"ignored": 1, "unanswered": 1}


@pytest.mark.parametrize(
    ("tool", "content"),
    [
        ("labelstudio", "not JSON"),
        ("labelstudio", '[{"text": "min", "label": []}]'),
        ("labelstudio", json.dumps([ls_task("Rom", region(0, 9, "Rom"))])),
        ("labelstudio", json.dumps([{**ls_task("Rom"), "data": {"body": "Rom"}}])),
        ("labelstudio", '[{"data": {"text": "Rom"}, "annotations": 1}]'),
        ("prodigy", '{"text": "Rom", "relations": 1}'),
        ("doccano", '{"text": "Rom", "label": [], "relations": 1}'),
        ("prodigy", '{"text": 3}'),
        ("prodigy", '{"text": "Rom", "spans": [{"start": 0, "end": 4, "label": "LOC"}]}'),
        ("prodigy", '{"text": "Rom", "spans": [{"start": true, "end": 3, "label": "LOC"}]}'),
        ("prodigy", '{"text": "Rom", "spans": ["LOC"]}'),
        ("prodigy", '{"text": "Rom", "accept": [1]}'),
        ("doccano", '{"text": "Rom", "label": [[0, 3]]}'),
        ("doccano", '{"text": "Rom", "label": [[2, 1, "LOC"]]}'),
        ("doccano", '{"text": "Rom", "label": [[0, 3, ""]]}'),
        ("doccano", '{"text": "Rom", "label": "LOC"}'),
        ("doccano", '{"text": "Rom", "label": '),
    ],
)
def test_a_malformed_file_is_an_error_with_its_place_and_a_fix(
    tool: str, content: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=r"(?s)x:1: found .*expected .*Fix:"):
        read(tool, tmp_path / "x", content)


def test_an_unknown_tool_is_an_error() -> None:
    with pytest.raises(ValueError, match="(?s)FORMAT.*labelstudio.*Fix:"):
        find_tool("brat")


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    data=st.data(),
    tool=st.sampled_from(sorted(TOOLS)),
)
@settings(max_examples=60, deadline=None)
def test_any_text_and_any_tokens_come_back(
    text: str, data: st.DataObject, tool: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    nlp = spacy.blank("xx")
    nlp.tokenizer = make_tokenizer(nlp)
    doc = nlp.make_doc(text)
    start = data.draw(st.integers(0, len(doc) - 1))
    span: Span = doc[start : data.draw(st.integers(start + 1, len(doc)))]
    tokens = [(token.idx, token.idx + len(token)) for token in doc]
    sent = Record(text, [Entity(span.start_char, span.end_char, "X")], tokens=tokens)
    written = "".join(TOOLS[tool].write([sent], LABELS, "m"))
    path = tmp_path_factory.mktemp("any") / "x"
    (back,) = read(tool, path, accepted(tool, written))
    assert (back.text, back.entities) == (sent.text, sent.entities)
