"""`dlfa benchmark`: a pipeline against its own bare encoder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import torch
from optimized import trained
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.optimization.speed import own
from dlfa_spacy.optimization.speed.machine import processor
from dlfa_spacy.optimization.speed.own import PIPELINE, Speed, example_texts

pytestmark = pytest.mark.slow


def test_a_pipeline_is_measured_against_its_own_encoder(bert: str, tmp_path: Path) -> None:
    trained(bert).to_disk(tmp_path / "nlp")
    (tmp_path / "texts.txt").write_text("Anna lives\nin Berlin\n", encoding="utf-8")
    options = ["--texts", str(tmp_path / "texts.txt"), "--rounds", "1", "--threads", "1", "--out"]
    command = ["benchmark", str(tmp_path / "nlp"), *options, str(tmp_path / "speed.json")]
    result = CliRunner().invoke(app, command, env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    assert "words per second" in result.output and "share of that" in result.output
    speed = Speed(**json.loads((tmp_path / "speed.json").read_text(encoding="utf-8")))
    assert speed.words == 4 and speed.words_per_second == 4 / speed.seconds[PIPELINE]
    assert speed.limit is not None and speed.share == speed.words_per_second / speed.limit[1]
    assert {"packed", "padded by 8"} <= {name.rpartition(", ")[2] for name in speed.seconds}
    assert list(speed.components) == ["tokenizer", "transformer", "tagger"]
    assert speed.load["first, with imports"] > speed.load["again"] > 0
    assert speed.size == sum(p.stat().st_size for p in (tmp_path / "nlp").rglob("*") if p.is_file())
    if speed.memory["loaded"]:
        assert speed.memory["peak of annotating"] >= speed.memory["loaded"] > 10**7


def test_a_pipeline_without_our_encoder_has_no_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("sentencizer")
    nlp.to_disk(tmp_path / "nlp")
    monkeypatch.setattr(own, "run_child", lambda module, settings: {"load": {}, "memory": {}})
    speed = own.measure_speed(str(tmp_path / "nlp"), ["Anna lives in Berlin", ""], rounds=1)
    assert speed.limit is None and speed.share is None and list(speed.seconds) == [PIPELINE]


def test_the_texts_by_default_are_in_many_languages() -> None:
    texts = example_texts()
    assert len(texts) > 200
    for sign in "éжه的":
        assert any(sign in text for text in texts), sign


@pytest.mark.parametrize("name", ["nothing", "."])
def test_what_is_no_pipeline_is_an_error(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["benchmark", str(tmp_path / name)])
    assert result.exit_code == 1 and "Fix:" in result.output and "Traceback" not in result.output


def test_a_processor_is_named_with_the_instructions_that_torch_uses() -> None:
    used = torch.backends.cpu.get_cpu_capability()
    assert f"({used}" in processor()
    code = "from dlfa_spacy.optimization.speed.machine import processor; print(processor())"
    older = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **older}, capture_output=True, text=True
    )
    assert said.stdout.endswith("(DEFAULT, oneDNN AVX2)\n"), said.stderr
