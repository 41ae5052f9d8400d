"""The front page prints and shows what the shipped pipeline says, and is short."""

import contextlib
import io
import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import spacy
from places import ROOT
from serving import serving
from spacy.language import Language

from dlfa_spacy.pipeline.heads import load_heads
from dlfa_spacy.serve import ServedPipeline

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def nlp() -> Language:
    return load_heads(ROOT / "assets" / "xx_dlfa_ner" / "heads", ROOT / "assets" / "encoder")


def test_the_output_is_the_pipeline_s(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    code, printed = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", README, re.S).groups()  # type: ignore[union-attr]
    monkeypatch.setattr(spacy, "load", lambda name: {"xx_dlfa_ner": nlp}[name])
    found = io.StringIO()
    with contextlib.redirect_stdout(found):
        exec(code, {})
    assert found.getvalue() == printed


def test_the_picture_is_what_the_pipeline_finds(
    nlp: Language, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draw = runpy.run_path(str(ROOT / "docs" / "draw_entities.py"))["main"]
    monkeypatch.setattr(spacy, "load", lambda name: nlp)
    draw("xx_dlfa_ner", tmp_path / "entities.svg")
    made = (tmp_path / "entities.svg").read_text(encoding="utf-8")
    assert made == (ROOT / "docs" / "entities.svg").read_text(encoding="utf-8")


def test_the_api_answers_as_its_page_says(nlp: Language) -> None:
    page = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
    pattern = r"```bash\ncurl \S+8080(\S+) .*?-d '(.*?)'\n```\n\n```json\n(.*?)```"
    examples = re.findall(pattern, page, re.S)
    assert len(examples) == 2
    with serving([ServedPipeline("xx_dlfa_ner", nlp)]) as client:
        for path, body, answer in examples:
            found = flat(client.post(path, json.loads(body)).json())
            # The last digits depend on the processor.
            assert found == pytest.approx(flat(json.loads(answer)), abs=2e-3)


def flat(value: Any, place: str = "") -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The values in what JSON nests, by their place."""
    if not isinstance(value, dict | list):
        return {place: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, part in items for k, v in flat(part, f"{place}/{key}").items()}


def test_it_is_read_in_three_minutes() -> None:
    assert len(README.split()) <= 900


def test_its_size_is_the_pipeline_s(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert f"| {size / 1e6:.0f} MB |" in README


def test_its_speed_is_the_one_that_was_measured() -> None:
    measured = (ROOT / "docs" / "annotate.md").read_text(encoding="utf-8")
    (speed,) = re.findall(r"\| nlp\.pipe, one process [^|]*\| ([\d,]+) \|", measured)
    assert f" MB | {speed} |" in README
