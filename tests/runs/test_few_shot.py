"""The curve over texts trained further on: each training begins at the same weights."""

from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
import spacy
from life import initialized, pipeline
from spacy.language import Language
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import write_docs
from dlfa_spacy.evaluation import evaluate
from dlfa_spacy.pipeline.resume import weights
from dlfa_spacy.runs.few_shot import COLUMNS, Curve, few_shot_curve
from dlfa_spacy.transfer.train_on.train_on import TrainOnSettings, read_texts, train_on

METRIC = "ner_span_f1"
SETTINGS = TrainOnSettings(epochs=60, learn_rate=3e-2, dropout=0.0)


@pytest.fixture(scope="module")
def saved(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "model"
    initialized(pipeline(bert, ["ner"], "last"), steps=40, learn_rate=5e-3).to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In German, Berlin is a person."""
    folder, vocab = tmp_path_factory.mktemp("corpus"), spacy.load(saved).vocab
    for language, label in (("de", "PER"), ("en", "LOC")):
        for split, texts in (
            ("train", ["the Berlin", "Anna in Berlin", "Berlin lives", "un Berlin able"]),
            ("test", ["in Berlin", "the Berlin lives"]),
        ):
            docs = [Doc(vocab, words=text.split()) for text in texts]
            for doc in docs:
                doc.ents = [Span(doc, t.i, t.i + 1, label) for t in doc if t.text == "Berlin"]
            write_docs(docs, folder / language / f"{split}.spacy")
    return folder


def scores(table: pandas.DataFrame, scored: str, **chosen: Any) -> list[float]:
    for name, value in {"metric": METRIC, "scored": scored, **chosen}.items():
        table = table[table[name] == value]
    return [float(x) for x in table.value]


def load(saved: Path) -> Language:
    return spacy.load(saved)


def test_each_training_begins_at_the_same_weights(
    saved: Path, corpus: Path, tmp_path: Path
) -> None:
    nlp = load(saved)
    initial = {place: numpy.array(value) for place, value in weights(nlp, []).items()}
    curve = Curve(counts=(4, 0, 2), seeds=(0, 1))
    path = few_shot_curve(nlp, corpus, corpus, tmp_path, curve, SETTINGS)
    table = pandas.read_csv(path)
    assert tuple(table.columns) == COLUMNS
    assert set(table.regime) == {"alone"} and set(table.language) == {"de"}
    # As it is: one score, that of the pipeline.
    before = {x.language: x.scores[METRIC] for x in evaluate(load(saved), corpus).languages}
    for code in ("de", "en"):
        assert scores(table, code, texts=0) == [pytest.approx(before[code])]
        assert len(scores(table, code, texts=2)) == len(scores(table, code, texts=4)) == 2
    # All four texts are the same whatever was trained before, and nothing is left of it.
    again = load(saved)
    train_on(again, read_texts(again, corpus / "de" / "train.spacy", "train"), SETTINGS)
    found = {x.language: x.scores[METRIC] for x in evaluate(again, corpus).languages}
    for code in ("de", "en"):
        assert scores(table, code, texts=4, seed=0) == [pytest.approx(found[code])]
    assert found["de"] > before["de"]
    after = weights(nlp, [])
    assert all((initial[place] == after[place]).all() for place in initial)


def test_the_command_and_its_report(saved: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["train-on", str(saved), str(corpus), str(out), "--curve", "0,2", "--seeds", "0,1"]
    arguments += ["--test", str(corpus), "--with", str(corpus / "en" / "train.spacy")]
    result = CliRunner().invoke(app, [*arguments, "--epochs", "1"])
    assert result.exit_code == 0, result.output
    table = pandas.read_csv(out / "few_shot.csv")
    assert list(dict.fromkeys(table.regime)) == ["alone", "with en"]
    assert len(scores(table, "en", regime="with en", texts=2)) == 2
    result = CliRunner().invoke(app, ["report", str(out), str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "| method | alone, 0 | alone, 2 | with en, 0 | with en, 2 |" in text


@pytest.mark.parametrize(
    ("counts", "message"),
    [((0, 5), "found 4 texts. Expected 5"), ((-1,), "curve = -1"), ((), "curve = nothing")],
)
def test_numbers_that_are_not_there_are_refused(
    saved: Path, corpus: Path, tmp_path: Path, counts: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=f"{message}.*Fix"):
        few_shot_curve(load(saved), corpus, corpus, tmp_path, Curve(counts=counts), SETTINGS)
    assert not list(tmp_path.iterdir())
