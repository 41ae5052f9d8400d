"""The figures of confidences on a report's page."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlfa_spacy.metrics.calibration import Calibration
from dlfa_spacy.report.calibration_plots import reliability_plot, risk_plot
from dlfa_spacy.report.report import write_report


def made(shift: float) -> dict[str, Any]:
    counted = Calibration()
    counted.add([0.2, 0.5, 0.9, 0.95], [False, shift > 0, True, True])
    return counted.to_dict()


def test_each_language_has_a_diagram_with_its_error() -> None:
    languages = {code: {"first": made(0), "second": made(1)} for code in "en de fr ru zh".split()}
    svg = reliability_plot(languages, "Confidence")
    for code in languages:
        both = " / ".join(f"{100 * run['ece']:.1f}" for run in languages[code].values())
        assert f"{code}  ECE {both}" in svg or f"{code} ECE {both}" in svg
    assert "first" in svg and "second" in svg


def test_risk_is_drawn_for_the_languages_with_most_predictions() -> None:
    languages: dict[str, dict[str, Any]] = {f"l{n:02}": {"run": made(0)} for n in range(20)}
    languages["l19"]["run"]["n"] = 1000
    svg = risk_plot(languages, "Risk")
    shown = [code for code in languages if f">{code}<" in svg]
    assert len(shown) == 12 and "l19" in shown


@pytest.mark.parametrize("with_confidence", [True, False])
def test_a_page_has_the_section_where_somebody_asked(tmp_path: Path, with_confidence: bool) -> None:
    result: dict[str, Any] = {"split": "test", "n_docs": 4, "scores": {"pos_token_accuracy": 0.5}}
    if with_confidence:
        result["calibration"] = {"pos": made(0)}
    content = {
        "format": "dlfa_spacy.scores.v1",
        "run": {
            "name": "a", "variant": "last", "seed": 0, "train_data": None, "eval_data": "corpus",
        },
        "model": {"encoder": "tiny"},
        "settings": {"tokens": "gold", "source": "en", "limit": 0},
        "languages": {"en": result, "de": result},
    }  # fmt: skip
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "scores.json").write_text(json.dumps(content))
    write_report(tmp_path / "run", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert ('id="confidence"' in page) == with_confidence
