"""`dlfa export` and `dlfa import`."""

import json
from pathlib import Path
from typing import Any

import pytest
import spacy
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import read_docs
from dlfa_spacy.tokenizer import make_tokenizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    nlp = spacy.blank("xx", config={"nlp": {"tokenizer": TOKENIZER}})
    nlp.tokenizer = make_tokenizer(nlp)
    nlp.meta.update(name="ruled", version="1.2.3")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "LOC", "pattern": name} for name in ("Bern", "北京")])
    folder = tmp_path_factory.mktemp("ruled")
    nlp.to_disk(folder)
    return str(folder)


TOKENIZER = {"@tokenizers": "dlfa_spacy.MultilingualTokenizer.v1"}


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    rows = [
        {"text": "😀 in Bern", "language": "de"},
        {"text": "Bern, Bern", "language": "de"},
        {"text": "他在北京。", "language": "zh"},
        {"text": "nowhere"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_there_and_back(model: str, texts: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.jsonl"
    printed = run("export", "prodigy", str(texts), str(tasks), "--model", model)
    assert "Wrote 4 texts, 3 languages" in printed and "--label LOC" in printed
    corpus = tmp_path / "corpus"
    arguments = ("--language", "en", "--split", "dev", "--model", model)
    printed = run("import", "prodigy", str(tasks), str(corpus), *arguments)
    assert "2 texts: " in printed
    found = {
        path.parent.name: [[ent.text for ent in doc.ents] for doc in read_docs(path)]
        for path in sorted(corpus.glob("*/dev.spacy"))
    }
    assert found == {"de": [["Bern"], ["Bern", "Bern"]], "en": [[]], "zh": [["北京"]]}


def test_limit_takes_from_every_language(model: str, texts: Path, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.json"
    printed = run(
        "export", "labelstudio", str(texts), str(tasks), "-m", model, "--limit", "2", "-q"
    )
    assert printed == ""
    made = json.loads(tasks.read_text(encoding="utf-8"))
    assert [task["data"]["language"] for task in made] == ["de", "zh"]
    assert made[0]["predictions"][0]["model_version"] == "xx_ruled-1.2.3"


def test_what_is_left_out_is_shown(texts: Path, tmp_path: Path) -> None:
    corrected = tmp_path / "corrected.jsonl"
    rows = [
        {"text": "Bern", "spans": [{"start": 0, "end": 3, "label": "LOC"}], "answer": "accept"},
        {"text": "Bern", "answer": "ignore"},
    ]
    corrected.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    arguments = (str(corrected), str(tmp_path / "corpus"), "-l", "de", "--misaligned", "drop")
    printed = run("import", "prodigy", *arguments)
    assert "1 records left out, rejected or skipped" in printed
    assert "1 entities that begin or end inside a token" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "brat", "IN", "OUT"], "labelstudio"),
        (["export", "prodigy", "IN", "OUT", "--only", "tags"], "--only"),
        (["export", "prodigy", "IN", "OUT", "--only", "categories", "-m", "MODEL"], "--model"),
        (["export", "prodigy", "IN", "OUT", "-m", "no such pipeline"], "no such pipeline"),
        (["import", "brat", "IN", "OUT"], "labelstudio"),
        (["import", "prodigy", "IN", "OUT", "--split", "../x"], "--split"),
        (["import", "prodigy", "IN", "OUT", "--misaligned", "keep"], "--misaligned"),
        (["import", "prodigy", "IN", "OUT"], "--language"),
    ],
)
def test_errors_name_what_is_wrong_and_a_fix(
    arguments: list[str], words: str, model: str, texts: Path, tmp_path: Path
) -> None:
    places = {"IN": str(texts), "OUT": str(tmp_path / "out"), "MODEL": model}
    result = CliRunner().invoke(app, [places.get(word, word) for word in arguments])
    assert result.exit_code == 1
    assert words in result.output and "Fix:" in result.output
    assert not (tmp_path / "out").exists()
