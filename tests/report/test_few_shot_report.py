"""The curve over texts trained further on, as table and plot: targets, and the source language."""

from pathlib import Path

import pytest

from dlfa_spacy.files.csv_table import write_csv
from dlfa_spacy.report.curves import Column
from dlfa_spacy.report.few_shot import few_shot_curves
from dlfa_spacy.report.report import write_report
from dlfa_spacy.runs.few_shot import COLUMNS, TABLE


def value(language: str, scored: str, regime: str, texts: int, seed: int) -> float:
    if scored == "en":
        return 0.8 - (0.001 * texts if regime == "alone" else 0)
    return {"de": 0.5, "ru": 0.3}[language] + 0.001 * texts + 0.02 * seed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = []
    for language in ("de", "ru"):
        for regime in ("alone", "with en"):
            for texts in (0, 10, 200):
                for seed in range(2 if texts else 1):
                    for scored in (language, "en"):
                        found = value(language, scored, regime, texts, seed)
                        run = (language, regime, texts, seed, scored, "test", "ner_span_f1", found)
                        rows.append(dict(zip(COLUMNS, run, strict=True)))
    write_csv(tmp_path / "few" / TABLE, rows)
    return tmp_path / "few"


def test_the_source_language_is_the_second_line(folder: Path) -> None:
    (made,) = few_shot_curves(folder)
    assert list(made.rows) == ["targets", "en", "de", "ru"]
    assert made.regimes == ["alone", "with en"]
    assert [c.texts for c in made.columns] == [0, 10, 200] * 2
    full = Column("alone", 200)
    assert made.rows["targets"][full].mean == pytest.approx(0.61)
    assert made.rows["targets"][full].sd == pytest.approx(0.02 / 2**0.5)
    assert made.rows["en"][full].mean == pytest.approx(0.6)
    assert made.rows["en"][Column("with en", 200)].mean == pytest.approx(0.8)
    assert made.rows["de"][Column("alone", 0)].n == 1
    assert not made.best and "1 to 2 seeds" in made.note


def test_the_report_has_it_as_table_and_plots(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "page.md"
    page.write_text("<!-- dlfa:scores -->\n<!-- dlfa:scores -->\n", encoding="utf-8")
    for source in (folder, folder / TABLE):
        write_report(source, tmp_path / "report", readme=page)
        assert "| en | 80.0 | 79.0 ± 0.0 |" in page.read_text(encoding="utf-8")
        html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
        assert html.count("<svg") == 2 and "texts of the target language (with en)" in html
        assert "How to read this" not in html


def test_another_table_of_that_name_is_refused(folder: Path) -> None:
    (folder / TABLE).write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="found the columns a, b, expected language, .*Fix"):
        few_shot_curves(folder)


def test_there_is_no_card_of_it(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--card.*Fix"):
        write_report(folder, tmp_path / "report", card=tmp_path / "card.md")
