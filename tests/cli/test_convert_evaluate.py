"""The commands as a person types them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from typer.testing import CliRunner

from dlfa_spacy.cli import app

run = CliRunner().invoke


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write(tmp_path / "corpus/en/test.iob2", "Ada\tB-PER\nsat\tO\n")
    write(tmp_path / "corpus/de/test.iob2", "Ada\tB-PER\nin\tO\nRom\tB-LOC\n")
    write(tmp_path / "corpus/fr/dev.iob2", "à\tO\nRome\tI-LOC\n")
    return tmp_path / "corpus"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "PER", "pattern": "Ada"}])
    (tmp_path / "rules-1").mkdir()
    nlp.to_disk(tmp_path / "rules-1" / "model-best")
    return tmp_path / "rules-1" / "model-best"


@pytest.mark.parametrize("arguments", [[], ["convert"], ["evaluate"]])
def test_help_teaches_with_examples(arguments):
    result = run(app, [*arguments, "--help"], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    if arguments:
        assert f"dlfa {arguments[0]} " in result.output and "Examples" in result.output
        assert "[bold]" not in result.output and "[cyan]" not in result.output
    else:
        assert "convert" in result.output and "evaluate" in result.output


def test_convert_writes_a_folder_and_says_what_it_changed(corpus, tmp_path):
    result = run(app, ["convert", str(corpus), str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "1 tags repaired to IOB2" in result.output and "Wrote 3 files" in result.output
    names = {p.relative_to(tmp_path).as_posix() for p in (tmp_path / "out").rglob("*.spacy")}
    assert names == {"out/en/test.spacy", "out/de/test.spacy", "out/fr/dev.spacy"}


def test_convert_takes_one_file_with_its_options(tmp_path):
    rows = ["1-2\tZum\t_\t_", "1\tZu\t_\tADP", "2\tdem\t_\tDET"]
    text = "".join(row + "\t_" * 6 + "\n" for row in rows)
    source = write(tmp_path / "x.conllu", text + "\n")
    for style, n_tokens in (("surface", 1), ("syntactic", 2)):
        target = tmp_path / f"{style}.spacy"
        options = ["--lang", "de", "--multiword", style, "--quiet"]
        result = run(app, ["convert", str(source), str(target), *options])
        assert result.exit_code == 0 and not result.output.strip()
        (doc,) = DocBin().from_disk(target).get_docs(spacy.blank("xx").vocab)
        assert len(doc) == n_tokens


def test_convert_takes_the_corpora_of_several_tasks(corpus, tmp_path):
    corpus.rename(tmp_path / "panx")
    write(tmp_path / "pawsx/en/train.tsv", "A b\tB a\t1\nE f\tG h\t0\n")
    options = ["--tasks", "ner=panx,pawsx", "--langs", "en"]
    result = run(app, ["convert", str(tmp_path), str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ner", "pawsx"]
    docs = (
        DocBin().from_disk(tmp_path / "out/pawsx/en/train.spacy").get_docs(spacy.blank("xx").vocab)
    )
    # A file of labels 0 and 1 gets their names from the task.
    assert [doc.cats for doc in docs] == [
        {"not_paraphrase": 0.0, "paraphrase": 1.0},
        {"not_paraphrase": 1.0, "paraphrase": 0.0},
    ]
    result = run(app, ["convert", str(tmp_path), str(tmp_path / "new"), "--tasks", "ner,pos"])
    assert result.exit_code == 1 and "--tasks ner" in result.output and "Fix:" in result.output
    assert not (tmp_path / "new").exists()


def test_convert_stops_at_a_malformed_line_without_a_traceback(tmp_path):
    source = write(tmp_path / "de/test.iob2", "Ada\tPERSON\n")
    result = run(app, ["convert", str(source), str(tmp_path / "out.spacy")])
    assert result.exit_code == 1
    assert f"{source}:1: found 'Ada\\tPERSON'" in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out.spacy").exists()


def test_convert_refuses_an_unknown_format_by_name(tmp_path):
    result = run(app, ["convert", "a", "b", "--format", "xml"])
    assert result.exit_code == 2 and "xml" in result.output


def test_evaluate_shows_a_table_and_writes_three_files(corpus, model, tmp_path):
    out = tmp_path / "scores"
    options = ["--split", "test,dev", "--out", str(out), "--train-data", "one pattern"]
    result = run(app, ["evaluate", str(model), str(corpus), *options, "--seed", "5"])
    assert result.exit_code == 0, result.output
    assert "mean of 2 targets" in result.output and "gap to en" in result.output
    assert "No test split in: fr (dev)." in result.output
    content = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert content["run"]["name"] == "rules-1"
    assert content["run"]["seed"] == 5 and content["run"]["train_data"] == "one pattern"
    scores = {k: v["scores"]["ner_span_f1"] for k, v in content["languages"].items()}
    assert scores == {"en": 1.0, "de": pytest.approx(2 / 3), "fr": 0.0}
    assert (out / "scores.csv").exists() and (out / "scores.md").exists()


@pytest.mark.parametrize("name", ["rules-1", "rules-1/..", "nothing"])
def test_evaluate_says_where_the_pipeline_is_in_the_folder_of_a_training(corpus, model, name):
    result = run(app, ["evaluate", str(model.parent.parent / name), str(corpus)])
    assert result.exit_code == 1
    words = {
        "rules-1": f"with model-best in it, expected one of its pipelines. Fix: {model}.",
        "rules-1/..": "found a folder without meta.json of that name",
        "nothing": "found nothing of that name",
    }
    assert words[name] in " ".join(result.output.split()) and "Fix:" in result.output


def test_evaluate_takes_raw_text_and_a_choice_of_languages(corpus, model):
    options = ["--raw-text", "--langs", "de", "--source", "de"]
    result = run(app, ["evaluate", str(model), str(corpus), *options])
    assert result.exit_code == 0, result.output
    assert "Raw text" in result.output and "│ en" not in result.output


def test_evaluate_scores_gold_tokens_and_raw_text_of_one_loaded_pipeline(corpus, model, tmp_path):
    gold, raw, alone = tmp_path / "gold", tmp_path / "raw", tmp_path / "alone"
    both = ["--langs", "en,de", "--out", str(gold), "--raw-out", str(raw)]
    assert run(app, ["evaluate", str(model), str(corpus), *both]).exit_code == 0
    options = ["--langs", "en,de", "--raw-text", "--out", str(alone)]
    assert run(app, ["evaluate", str(model), str(corpus), *options]).exit_code == 0
    contents = [json.loads((path / "scores.json").read_text()) for path in (gold, raw, alone)]
    assert [content["settings"]["tokens"] for content in contents] == ["gold", "raw", "raw"]
    assert contents[1]["languages"]["de"]["scores"] == contents[2]["languages"]["de"]["scores"]


def test_several_pipelines_are_scored_as_each_alone(corpus, model, tmp_path):
    other = tmp_path / "rules-2" / "model-best"
    shutil.copytree(model, other)
    both, alone = tmp_path / "both", tmp_path / "alone"
    paths = f"{model},{other}"
    result = run(app, ["evaluate", paths, str(corpus), "--langs", "en,de", "--out", str(both)])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in both.iterdir()) == ["rules-1", "rules-2"]
    for path in (model, other):
        name = path.parent.name
        options = ["--langs", "en,de", "--out", str(alone / name)]
        assert run(app, ["evaluate", str(path), str(corpus), *options]).exit_code == 0
        tables = [folder / name / "scores.csv" for folder in (both, alone)]
        assert tables[0].read_text() == tables[1].read_text()
        assert json.loads((both / name / "scores.json").read_text())["run"]["name"] == name


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--run-name: found 'rules-1' for two pipelines"),
        (["--run-name", "a"], "--run-name: found 1 names, expected 2"),
        (["--run-name", "a,a"], "Fix: --run-name a-1,a-2."),
    ],
)
def test_each_of_several_pipelines_needs_a_name_of_its_own(options, said, corpus, model, tmp_path):
    out = tmp_path / "out"
    arguments = ["evaluate", f"{model},{model}", str(corpus), "--out", str(out), *options]
    result = run(app, arguments)
    assert result.exit_code == 1 and said in " ".join(result.output.split())
    assert not out.exists()


def test_evaluate_takes_a_folder_with_a_comma_in_its_name(corpus, model, tmp_path):
    shutil.copytree(model, tmp_path / "a,b")
    result = run(app, ["evaluate", str(tmp_path / "a,b"), str(corpus), "--langs", "en"])
    assert result.exit_code == 0, result.output


def test_evaluate_names_what_is_missing(corpus, model, tmp_path):
    result = run(app, ["evaluate", str(model), str(corpus), "--langs", "it"])
    assert result.exit_code == 1 and "'it'" in result.output and "Traceback" not in result.output
    result = run(app, ["evaluate", str(tmp_path / "no-model"), str(corpus)])
    assert result.exit_code == 1 and "no-model" in result.output


@pytest.mark.slow
def test_the_same_commands_hang_below_spacys_own():
    # In a process of its own: registering changes spaCy's application for good.
    code = (
        "import dlfa_spacy.cli.spacy_group, spacy.cli._util as u; "
        "from typer.main import get_command; import sys; "
        "sys.argv = ['spacy', 'dlfa', 'convert', '--help']; get_command(u.app)(prog_name='spacy')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120
    )
    assert result.returncode == 0, result.stderr
    # Rich breaks lines of options where it likes.
    assert "Turn CoNLL-U" in result.stdout


def test_help_does_not_import_spacy():
    code = "import sys, dlfa_spacy.cli; assert 'torch' not in sys.modules, 'torch'"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120
    )
    assert result.returncode == 0, result.stderr
