"""`dlfa calibrate` and `dlfa evaluate --calibration`: from a corpus to a table."""

import json
from pathlib import Path

import pytest
import spacy
from life import gold_docs, initialized, pipeline
from spacy.language import Language
from typer.testing import CliRunner, Result

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import set_language, write_docs
from dlfa_spacy.pipeline.confidence import Confidence


def run(*args: object) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args])


def write(nlp: Language, path: Path, language: str, number: int) -> None:
    docs = gold_docs(nlp) * number
    for doc in docs:
        set_language(doc, language)
        for token in doc:
            token.pos_ = ""
    write_docs(docs, path)


@pytest.fixture(scope="module")
def trained(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibrate")
    nlp = initialized(pipeline(bert, ("ner", "tagger", "textcat")), steps=80, learn_rate=1e-2)
    nlp.to_disk(folder / "model")
    write(nlp, folder / "corpus" / "en" / "dev.spacy", "en", 10)
    for language in ("en", "de"):
        write(nlp, folder / "corpus" / language / "test.spacy", language, 3)
    return folder


def test_a_pipeline_is_calibrated_on_english_and_measured_everywhere(
    trained: Path, tmp_path: Path
) -> None:
    model, corpus, out = trained / "model", trained / "corpus", tmp_path / "out"
    result = run("calibrate", model, corpus, "--out", out)
    assert result.exit_code == 0, result.output
    assert "tagger" in result.output and "ECE" in result.output
    component = spacy.load(out).get_pipe("confidence")
    assert isinstance(component, Confidence)
    assert set(component.scales) == {"ner", "tagger", "textcat"}
    assert component.fitted_on["tagger"] == {"texts": "corpus/en/dev", "n": 110}
    scores = tmp_path / "scores"
    result = run("evaluate", out, corpus, "--calibration", "--out", scores)
    assert result.exit_code == 0, result.output
    assert "Confidence" in result.output
    found = json.loads((scores / "scores.json").read_text())["languages"]
    for language in ("en", "de"):
        own = found[language]["calibration"]
        assert set(own) == {"ner", "pos", "textcat"}
        assert own["pos"]["n"] == found[language]["n_tokens"] == 33
        assert own["pos"]["accuracy"] == pytest.approx(
            found[language]["scores"]["pos_token_accuracy"]
        )
        assert own["textcat"]["accuracy"] == found[language]["scores"]["textcat_accuracy"]
        assert own["ner"]["accuracy"] == pytest.approx(
            found[language]["scores"]["ner_span_precision"]
        )
    assert "## Confidence" in (scores / "scores.md").read_text()


def test_a_pipeline_may_be_calibrated_again_in_its_place(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("calibrate", trained / "model", trained / "corpus", "-o", out).exit_code == 0
    again = run("calibrate", out, trained / "corpus", "-o", out, "--limit", 4)
    assert again.exit_code == 0, again.output
    nlp = spacy.load(out)
    assert nlp.pipe_names.count("confidence") == 1
    component = nlp.get_pipe("confidence")
    assert isinstance(component, Confidence)
    assert component.fitted_on["textcat"]["n"] == 4


def test_a_folder_that_is_no_pipeline_is_not_overwritten(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    result = run("calibrate", trained / "model", trained / "corpus", "-o", out)
    assert result.exit_code == 1 and "exists and is no pipeline" in " ".join(result.output.split())
    assert (out / "mine.txt").read_text() == "keep"


def test_a_pipeline_without_confidences_says_how_to_get_some(trained: Path) -> None:
    result = run("evaluate", trained / "model", trained / "corpus", "--calibration")
    assert result.exit_code == 1 and "dlfa calibrate" in " ".join(result.output.split())
