"""`dlfa export-encoder`: folders that other libraries read, and refusals."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from fourbit import packed_folder, packed_state
from life import TEXTS, assert_same, initialized, listener, pipeline, trained
from optimized import encoder, packaged, saved
from spacy.language import Language
from tiny import tiny_electra
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.optimization.export import export_encoder
from dlfa_spacy.optimization.optimize import Options, optimize

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return packed_folder(tmp_path_factory.mktemp("packed"))


def run(*args: Any) -> str:
    result = CliRunner().invoke(app, ["export-encoder", *map(str, args)])
    assert result.exit_code == 0, result.output
    return result.output


def assert_equal_outputs(nlp: Language, folder: Path) -> None:
    """AutoModel and AutoTokenizer give what the pipeline's encoder gives."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    transformer = AutoModel.from_pretrained(folder).eval()
    assert type(transformer) is type(encoder(nlp).transformer)
    for text in TEXTS:
        inputs = tokenizer(text, return_tensors="pt")
        doc = nlp.make_doc(text)
        ids = encoder(nlp).tokenizer(text)["input_ids"]
        assert inputs["input_ids"][0].tolist() == ids
        with torch.no_grad():
            found = transformer(**inputs).last_hidden_state[0].numpy()
        expected = encoder(nlp).encode([doc], [encoder(nlp).num_layers])
        if len(ids) <= 12:
            vectors = expected.states[encoder(nlp).num_layers].numpy()
            numpy.testing.assert_allclose(found, vectors, atol=2e-5, rtol=0)


def test_an_ordinary_folder_of_an_encoder_in_four_bits(folder: str, tmp_path: Path) -> None:
    printed = run(folder, tmp_path / "out")
    assert "Wrote" in printed and "MB" in printed
    nlp = initialized(pipeline(folder, {"tagger": listener("last")}))
    assert_equal_outputs(nlp, tmp_path / "out")
    text = (tmp_path / "out" / "config.json").read_text()
    assert "quantization" not in text and folder not in text
    again = initialized(pipeline(str(tmp_path / "out"), {"tagger": listener("last")}))
    docs = [nlp.make_doc(text) for text in TEXTS]
    for layer in range(5):
        one, other = (encoder(x).encode(docs, [layer]).states[layer] for x in (nlp, again))
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_a_pipelines_encoder(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": listener("last")})
    source = saved(nlp, tmp_path / "model")
    run(source, tmp_path / "out")
    assert_equal_outputs(nlp, tmp_path / "out")
    found = packaged(Path(source), tmp_path / "package")
    run(found.path, tmp_path / "of_package")
    first, second = (tmp_path / x / "model.safetensors" for x in ("out", "of_package"))
    assert first.read_bytes() == second.read_bytes()
    small = tmp_path / "small"
    optimize(source, small, Options(half="float16"))
    run(small, tmp_path / "of_half")
    assert AutoModel.from_pretrained(tmp_path / "of_half").dtype == torch.float32


def test_four_bits(bert: str, folder: str, tmp_path: Path) -> None:
    run(bert, tmp_path / "int4", "--int4")
    assert (tmp_path / "int4" / "model.safetensors").read_bytes() == (
        Path(folder) / "model.safetensors"
    ).read_bytes()
    nlp = trained(str(tmp_path / "int4"), {"tagger": listener("mean")})
    state = packed_state(nlp)
    # Its blocks were trained.
    assert {name.rpartition(".")[0] for name in state} == {"embeddings.word_embeddings"}
    run(saved(nlp, tmp_path / "model"), tmp_path / "again", "--int4")
    again = initialized(pipeline(str(tmp_path / "again"), {"tagger": listener("mean")}))
    assert len(packed_state(again)) == 2 * (4 * 6 + 1)
    for name, tensor in state.items():
        assert torch.equal(packed_state(again)[name], tensor)


def test_an_encoder_of_a_components_own(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": listener("last"), "senter": listener("mean")})
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    source = saved(nlp, tmp_path / "model")
    with pytest.raises(ValueError, match="encoders in transformer, tagger.*--component"):
        export_encoder(source, tmp_path / "out")
    with pytest.raises(ValueError, match="found senter"):
        export_encoder(source, tmp_path / "out", component="senter")
    assert not (tmp_path / "out").exists()
    run(source, tmp_path / "out", "--component", "tagger")
    assert_equal_outputs(nlp, tmp_path / "out")
    with pytest.raises(ValueError, match="is an encoder, which has no components"):
        export_encoder(bert, tmp_path / "other", component="tagger")


def test_an_older_encoder_is_replaced_and_nothing_else(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(bert, tmp_path / "out")
    run(bert, tmp_path / "out", "--int4")
    nlp = initialized(pipeline(str(tmp_path / "out"), {"tagger": listener("mean")}))
    assert packed_state(nlp)
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "config.json").write_text("{}")
    model = Path(saved(nlp, tmp_path / "model"))
    for out in (thesis, model, tmp_path / "out", tmp_path / "out" / "inside", tmp_path):
        with pytest.raises(ValueError, match="^OUT "):
            export_encoder(str(tmp_path / "out"), out)
    with pytest.raises(ValueError, match="^OUT "):
        export_encoder(str(model), model / "transformer")
    assert [path.name for path in thesis.iterdir()] == ["config.json"]
    before = (tmp_path / "out" / "model.safetensors").read_bytes()

    def fail(transformer: Any, tokenizer: Any, folder: Path) -> None:
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        raise OSError("disk full")

    monkeypatch.setattr("dlfa_spacy.optimization.export.save_floats", fail)
    with pytest.raises(OSError, match="disk full"):
        export_encoder(bert, tmp_path / "out")
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    assert sorted(x.name for x in tmp_path.iterdir()) == ["model", "out", "thesis"]


def test_encoders_without_weights_of_floats_are_refused(bert: str, tmp_path: Path) -> None:
    source = saved(trained(bert, {"tagger": listener("mean")}), tmp_path / "model")
    ways = {"int8": Options(int8=True), "rows": Options(int8_embeddings=True)}
    for name, options in ways.items():
        optimize(source, tmp_path / name, options)
        with pytest.raises(ValueError, match='"transformer" is int8.*was optimized'):
            export_encoder(str(tmp_path / name), tmp_path / "out")
    pytest.importorskip("onnxruntime", reason='needs the extra: pip install "dlfa-spacy[onnx]"')
    optimize(source, tmp_path / "onnx", Options(onnx=True))
    with pytest.raises(ValueError, match="is an ONNX graph"):
        export_encoder(str(tmp_path / "onnx"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_makes_no_blocks_is_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    source = tiny_electra(tmp_path / "encoder")
    result = CliRunner().invoke(app, ["export-encoder", source, str(tmp_path / "x"), "--int4"])
    assert result.exit_code == 1 and not (tmp_path / "x").exists()
    with pytest.raises(ValueError, match="--int4: .*width 16.*multiple of 32"):
        export_encoder(source, tmp_path / "x", int4=True)
    with pytest.raises(ValueError, match="there is no such folder"):
        export_encoder(str(tmp_path / "nothing"), tmp_path / "x")


def test_a_frozen_pipeline_takes_the_exported_encoder(folder: str, tmp_path: Path) -> None:
    nlp = trained(folder, {"tagger": listener("mean")}, steps=0)
    run(folder, tmp_path / "out")
    assert_same(nlp, trained(str(tmp_path / "out"), {"tagger": listener("mean")}, steps=0))
