"""`dlfa annotate --gpus`: a process on each GPU, and the annotation of the CPU."""

from pathlib import Path

import pytest
from annotating import rows, write_jsonl
from devices import CPU, on
from life import trained
from typer.testing import CliRunner

from dlfa_spacy.annotation import member
from dlfa_spacy.cli import app

TEXTS = ["Anna lives in Berlin", "the un able Berlin", "", "lives the in Anna Berlin ed"]


def test_a_job_has_the_annotation_of_the_pipeline(
    bert: str, device: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on(CPU):
        nlp = trained(bert, ["tagger", "ner"])
        nlp.to_disk(tmp_path / "model")
        docs = list(nlp.pipe(TEXTS))
    if device != CPU:
        # CUDA does not survive a fork.
        monkeypatch.setattr(member, "_START", "spawn")
    given = write_jsonl(tmp_path / "a.jsonl", TEXTS)
    command = ["annotate", str(given), str(tmp_path / "out"), "--model", str(tmp_path / "model")]
    options = ["--tokens", "--shard-size", "2", *(["--gpus", str(device)] if device != CPU else [])]
    result = CliRunner().invoke(app, [*command, *options])
    assert result.exit_code == 0, result.output
    found = rows(tmp_path / "out")
    for row, doc in zip(found, docs, strict=True):
        tokens = [(token["start"], token["end"], token["tag"]) for token in row["tokens"]]
        assert tokens == [(t.idx, t.idx + len(t), t.tag_) for t in doc]
        ents = [(ent["start"], ent["end"], ent["label"]) for ent in row["entities"]]
        assert ents == [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
