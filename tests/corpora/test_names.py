"""Languages and splits that a file names: checked before anything is written under them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import find_parts, plan, read_docs
from dlfa_spacy.files.plain_names import is_language, is_plain_name

EVIL = ["../../evil", "..", "/tmp/x", "de/../..", "a\\b", "de\n", "D E", "\ud800", "x" * 300, "."]


def jsonl(path: Path, *languages: str) -> Path:
    lines = [json.dumps({"language": name, "text": "a b", "label": "x"}) for name in languages]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("evil", EVIL)
def test_a_language_that_leads_elsewhere_is_refused_with_its_line(tmp_path: Path, evil: str):
    path = jsonl(tmp_path / "corpus" / "in.jsonl", "de", evil)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"in\.jsonl:2: found .*expected a language code"):
        plan(path, tmp_path / "a" / "b" / "out")
    with pytest.raises(ValueError, match=r"in\.jsonl:2: found .*expected a language code"):
        list(read_docs(path))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_writes_nothing_outside_its_folder(tmp_path: Path):
    path = jsonl(tmp_path / "a" / "b" / "in.jsonl", "../../evil", "de")
    before = sorted(tmp_path.rglob("*"))
    result = CliRunner().invoke(app, ["convert", str(path), str(path.parent / "OUT")])
    assert result.exit_code == 1 and sorted(tmp_path.rglob("*")) == before
    tsv = path.with_name("in.tsv")
    tsv.write_text("language\ttext\tlabel\n../../evil\ta b\tx\nde\tb\ty\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["convert", str(tsv), str(path.parent / "OUT")])
    assert result.exit_code == 1 and not (tmp_path / "evil").exists()


@pytest.mark.parametrize("evil", EVIL)
def test_the_language_of_an_option_is_checked(tmp_path: Path, evil: str):
    path = tmp_path / "a.iob2"
    path.write_text("Rom\tB-LOC\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a\.iob2: found the language .*--lang"):
        plan(path, tmp_path / "out", language=evil)


@pytest.mark.parametrize("name", ["te\nst.iob2", "te\x1bst.iob2"])
def test_a_split_is_a_plain_name(tmp_path: Path, name: str):
    path = tmp_path / "in" / "de" / name
    path.parent.mkdir(parents=True)
    path.write_text("Rom\tB-LOC\n", encoding="utf-8")
    with pytest.raises(ValueError, match="found the split .*expected a plain name"):
        find_parts(tmp_path / "in")


def test_ordinary_names_pass():
    assert all(map(is_language, "de zh-hans sr_cyrl pt-BR zho_Hans_CN swe".split()))
    names = ["test", "test-de", "ner-uner", "xlm-r_base", "my file (1)", "v1.2", "Größe", "_x"]
    assert all(map(is_plain_name, names))
    assert not any(map(is_plain_name, [*EVIL[:6], *EVIL[7:], ".x", "x.", "x ", ""]))


@given(st.text(max_size=12) | st.text("./\\~ a", max_size=6))
def test_no_name_that_passes_leaves_its_folder(name: str):
    for passes in (is_language, is_plain_name):
        if passes(name):
            place = Path("/folder") / name
            assert place.parent == Path("/folder") and place.name == name not in (".", "..")
            assert name.isprintable()
