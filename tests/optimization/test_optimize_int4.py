"""`dlfa optimize` with encoders in four bits: made, and read by every other step."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from fourbit import packed_folder, packed_state
from life import TEXTS, annotations, assert_same, listener, train
from optimized import encoder, mean, mix, packaged, run, saved, texts_of, trained, vector_names
from spacy.language import Language
from tiny import tiny_electra
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.encoder.storage.int4_embedding import Int4Embedding
from dlfa_spacy.encoder.storage.int4_linear import Int4Linear, plain_linear
from dlfa_spacy.encoder.storage.int8 import Int8Linear, quantize
from dlfa_spacy.encoder.storage.weights import int4_layers
from dlfa_spacy.evaluation.costs import variants
from dlfa_spacy.optimization.optimize import Options, optimize, options_for
from dlfa_spacy.optimization.stock import stock_pipeline
from dlfa_spacy.pipeline.readers import encoders_in_use

pytestmark = pytest.mark.slow

LINEAR = 4 * 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return packed_folder(tmp_path_factory.mktemp("packed"))


def frozen(folder: str, components: dict[str, Any] | None = None) -> Language:
    """RETURNS: A pipeline whose encoder is as it came, in four bits."""
    return trained(folder, components or {"tagger": mean(1, 2, 4), "ner": mix()}, steps=0)


def size(nlp: Language) -> int:
    return len(encoder(nlp).shim.to_bytes())


# Made


def test_linear_layers_in_four_bits(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert)
    found, steps = run(nlp, tmp_path, int4=True)
    transformer = encoder(found).transformer
    assert len(int4_layers(transformer)) == LINEAR
    assert "24 Linear layers" in " ".join(steps[-1].changes)
    assert steps[-1].size < steps[-2].size
    for name in int4_layers(transformer):
        before = encoder(nlp).transformer.get_submodule(name).weight
        after = transformer.get_submodule(name).weight.detach()
        moved = (after - before.detach()).norm() / before.detach().norm()
        assert 0 < float(moved) < 0.15
    train(found, 1)
    assert len(int4_layers(transformer)) < LINEAR


def test_rows_in_four_bits(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert)
    found, steps = run(nlp, tmp_path, int4_embeddings=True)
    rows = encoder(found).transformer.get_input_embeddings()
    assert isinstance(rows, Int4Embedding)
    before = encoder(nlp).transformer.get_input_embeddings().weight.detach()
    assert 0 < float((rows.weight - before).norm() / before.norm()) < 0.15
    assert "rows, moved by" in " ".join(steps[-1].changes)
    assert size(found) < size(nlp)


def test_both_with_half_floats_in_processes_and_as_a_package(bert: str, tmp_path: Path) -> None:
    found, _ = run(trained(bert), tmp_path, int4=True, int4_embeddings=True, half="float16")
    assert encoder(found).shim.storage == "float16"
    assert len(int4_layers(encoder(found).transformer)) == LINEAR + 1
    expected = annotations(found.pipe(TEXTS))
    assert annotations(found.pipe(TEXTS, n_process=2, batch_size=2)) == expected
    assert_same(found, packaged(tmp_path / "out", tmp_path / "package"))


def test_an_encoder_of_blocks_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    nlp = trained(tiny_electra(tmp_path / "encoder"), steps=0)
    with pytest.raises(ValueError, match='--int4-embeddings: .*"transformer".*width 16'):
        run(nlp, tmp_path, int4_embeddings=True)
    with pytest.raises(ValueError, match='--int4: .*"transformer".*width 16'):
        run(nlp, tmp_path, int4=True)
    assert not (tmp_path / "out").exists()


def test_what_is_packed_or_int8_already_is_refused(bert: str, folder: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--int4: .*in four bits already"):
        run(frozen(folder), tmp_path, int4=True)
    with pytest.raises(ValueError, match="--int4-embeddings: .*in four bits already"):
        run(frozen(folder), tmp_path, int4_embeddings=True)
    small, _ = run(trained(bert), tmp_path, int8=True, int8_embeddings=True)
    with pytest.raises(ValueError, match="--int4: .*or int8"):
        run(small, tmp_path / "again", int4=True)
    with pytest.raises(ValueError, match="--int4-embeddings: .*Int8Embedding"):
        run(small, tmp_path / "again", int4_embeddings=True)


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"int4": True, "int8": True}, "--int4 and --int8"),
        (
            {"int4_embeddings": True, "int8_embeddings": True},
            "--int4-embeddings and --int8-embeddings",
        ),
        ({"int4": True, "onnx": True}, "--int4 and --onnx"),
    ],
)
def test_options_that_exclude_each_other(
    bert: str, tmp_path: Path, options: dict[str, bool], names: str
) -> None:
    with pytest.raises(ValueError, match=f"Found {names}.*Fix: leave out"):
        run(trained(bert), tmp_path, **options)


def test_four_bits_win_over_the_target_and_have_rows_in_the_table() -> None:
    assert options_for("cpu", {"int4": True}) == Options(
        int4=True, int8_embeddings=True, half="float16"
    )
    both = options_for("cpu", {"int4": True, "int4_embeddings": True})
    assert both == Options(int4=True, int4_embeddings=True, half="float16")
    with pytest.raises(ValueError, match="--int4 and --int8"):
        options_for("cpu", {"int4": True, "int8": True}).check()
    assert list(variants(both)) == [
        "cut only",
        "--half",
        "--int4",
        "--int4-embeddings",
        "--half --int4 --int4-embeddings",
    ]


def test_the_command(bert: str, tmp_path: Path) -> None:
    source = saved(trained(bert), tmp_path / "model")
    arguments = ["optimize", source, str(tmp_path / "out"), "--int4", "--int4-embeddings"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "int4 embeddings" in result.output and "24 Linear layers" in result.output


# Read


def test_half_floats_leave_packed_layers_alone(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder)
    found, steps = run(nlp, tmp_path, half="float16")
    before, after = packed_state(nlp), packed_state(found)
    assert set(before) == set(after) and len(after) == 2 * (LINEAR + 1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items())
    assert steps[-1].size < steps[-2].size


def test_packed_linear_layers_become_int8(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder)
    found, steps = run(nlp, tmp_path, **vars(options_for("cpu", {})))
    transformer = encoder(found).transformer
    assert sum(isinstance(module, Int8Linear) for module in transformer.modules()) == LINEAR
    assert isinstance(transformer.get_input_embeddings(), Int4Embedding)
    (rows,) = [step for step in steps if step.name == "int8 embeddings"]
    assert rows.changes == ["transformer: rows stay in four bits, which are fewer"]
    docs = texts_of(nlp)
    one, other = (encoder(x).encode(docs, [4]).states[4] for x in (nlp, found))
    assert float(torch.cosine_similarity(one, other).min()) > 0.98
    assert annotations(found.pipe(TEXTS, n_process=2, batch_size=2)) == annotations(
        found.pipe(TEXTS)
    )


def test_int8_of_a_packed_layer_is_that_of_its_weights(folder: str) -> None:
    packed, plain = (encoder(frozen(folder)).transformer for _ in range(2))
    for name, module in list(plain.named_modules()):
        if isinstance(module, Int4Linear):
            plain.set_submodule(name, plain_linear(module))
    assert quantize(packed) == quantize(plain)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(packed.state_dict()[name], tensor), name


def test_a_packed_vocabulary_is_trimmed(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder)
    found, _ = run(nlp, tmp_path, trim=True)
    before = encoder(nlp).transformer.get_input_embeddings()
    after = encoder(found).transformer.get_input_embeddings()
    assert isinstance(after, Int4Embedding)
    assert after.num_embeddings == len(encoder(found).tokenizer) < before.num_embeddings
    for piece, new in encoder(found).tokenizer.get_vocab().items():
        old = encoder(nlp).tokenizer.convert_tokens_to_ids(piece)
        assert torch.equal(after.nibbles[new], before.nibbles[old])
        assert torch.equal(after.scales[new], before.scales[old])
    assert_same(nlp, found)


def test_layers_are_dropped_and_cut(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder, {"tagger": mix()})
    (found,) = encoders_in_use(nlp)
    found.readings[0].module.logits.data = torch.tensor([-9.0, 1.0, 1.5, -9.0, -9.0])
    made, _ = run(nlp, tmp_path, drop=0.01)
    assert encoder(made).num_layers == 2
    assert len(int4_layers(encoder(made).transformer)) == 2 * 6 + 1
    docs = texts_of(nlp)
    one, other = (encoder(x).encode(docs, [2]).states[2] for x in (nlp, made))
    torch.testing.assert_close(one, other)


def test_a_stock_pipeline_gets_floats(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder, {"tagger": listener("mean")})
    stock = stock_pipeline(nlp, tmp_path / "encoder")
    ids = torch.tensor([[2, 5, 6, 3]])
    one, other = (
        nlp_.get_pipe("transformer").model.transformer.eval()(input_ids=ids).last_hidden_state
        for nlp_ in (nlp, stock)
    )
    torch.testing.assert_close(one, other)
    assert len(int4_layers(encoder(nlp).transformer)) == LINEAR + 1


@pytest.mark.parametrize("options", [{}, {"half": "float16"}, {"int8": True}, {"trim": True}])
def test_packed_rows_are_unpacked_inside_an_onnx_graph(
    folder: str, tmp_path: Path, options: dict[str, Any]
) -> None:
    onnx = pytest.importorskip("onnx", reason='needs the extra: pip install "dlfa-spacy[onnx]"')
    pytest.importorskip("onnxruntime", reason='needs the extra: pip install "dlfa-spacy[onnx]"')
    nlp = frozen(folder)
    found, _ = run(nlp, tmp_path, onnx=True, **options)
    graph = onnx.load_from_string(encoder(found).transformer.graph).graph
    count = encoder(found).transformer.config.vocab_size
    rows = [tensor for tensor in graph.initializer if list(tensor.dims) == [count, 16]]
    assert [tensor.data_type for tensor in rows] == [onnx.TensorProto.UINT8]
    assert not any(list(tensor.dims) == [count, 32] for tensor in graph.initializer)
    docs = [texts_of(x) for x in (nlp, found)]
    one, other = (
        x.get_pipe("transformer").predict(own)  # type: ignore[attr-defined]
        for x, own in zip((nlp, found), docs, strict=True)
    )
    atol = 1e-5 if not options or "trim" in options else 0.2
    assert len(one.model_output) == len(other.model_output)
    for name, other_name in zip(vector_names(nlp), vector_names(found), strict=True):
        array = one.model_output[name]
        numpy.testing.assert_allclose(other.model_output[other_name], array, atol=atol, rtol=0)
    # What was exported is as it was.
    assert isinstance(encoder(nlp).transformer.get_input_embeddings(), Int4Embedding)


def test_rows_are_packed_for_a_graph(bert: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason='needs the extra: pip install "dlfa-spacy[onnx]"')
    nlp = trained(bert)
    source = saved(nlp, tmp_path / "model")
    optimize(source, tmp_path / "torch", Options(int4_embeddings=True))
    found, _ = run(nlp, tmp_path / "onnx", int4_embeddings=True, onnx=True)
    assert_same(spacy.load(tmp_path / "torch"), found)
