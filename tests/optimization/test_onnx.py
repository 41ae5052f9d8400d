"""`dlfa optimize --onnx`: the same vectors from ONNX Runtime, or an error that says the fix."""

import builtins
import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
import torch
from life import (
    AGGREGATIONS,
    TEXTS,
    annotations,
    assert_same,
    examples,
    listener,
    stock_listener,
)
from optimized import (
    encoder,
    mean,
    mix,
    module_of,
    packaged,
    run,
    saved,
    texts_of,
    trained,
    vector_names,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from tiny import tiny_bert, tiny_deberta, tiny_distilbert, tiny_electra, tiny_xlm_roberta

from dlfa_spacy.encoder.run.onnx_runtime import OnnxPackedEncoder
from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.optimization.optimize import Options, optimize
from dlfa_spacy.pairs import make_pair

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx", reason='needs the extra: pip install "dlfa-spacy[onnx]"')
pytest.importorskip("onnxruntime", reason='needs the extra: pip install "dlfa-spacy[onnx]"')

RAGGED = [*TEXTS, "", "Berlin " * 40, "x", "Anna, lives; in: Berlin!"]


def ragged(nlp: Language) -> list[Doc]:
    return [nlp.make_doc(text) for text in RAGGED]


def pairs(nlp: Language) -> list[Doc]:
    return [make_pair(nlp, "Anna lives in", "Berlin"), make_pair(nlp, "", "un able"), *ragged(nlp)]


def assert_vectors(
    expected: Language, found: Language, docs: Callable[[Language], list[Doc]], atol: float = 1e-4
) -> None:
    """The encoders hand the same vectors to their listeners."""
    one, other = (nlp.get_pipe("transformer").predict(docs(nlp)) for nlp in (expected, found))  # type: ignore[attr-defined]
    # An encoder that was cut has other names for its vectors.
    keys = [list(dict.fromkeys(vector_names(nlp))) for nlp in (expected, found)]
    assert [set(batch.model_output) for batch in (one, other)] == [set(names) for names in keys]
    for name, other_name in zip(*keys, strict=True):
        array = one.model_output[name]
        assert array.shape[0] == int(one.windows.lengths.sum())
        numpy.testing.assert_allclose(other.model_output[other_name], array, atol=atol, rtol=0)


# What comes out


MAKERS = [tiny_bert, tiny_xlm_roberta, tiny_electra, tiny_distilbert, tiny_deberta]


@pytest.mark.parametrize("make", MAKERS)
def test_every_encoder_gives_the_vectors_of_torch(make: Any, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    nlp = trained(make(tmp_path / "encoder"), {"tagger": listener("fusion"), "ner": mix()})
    found, _ = run(nlp, tmp_path, onnx=True)
    assert isinstance(encoder(found).packed, OnnxPackedEncoder)
    assert_vectors(nlp, found, pairs)
    assert_same(nlp, found, RAGGED)


def test_every_aggregation_is_in_the_graph(bert: str, tmp_path: Path) -> None:
    names = ["tagger", "ner", "morphologizer", "textcat", "senter", "spancat"]
    tok2vecs = [listener(name) for name in AGGREGATIONS if name not in ("last", "low")]
    nlp = trained(bert, dict(zip(names, [*tok2vecs, stock_listener()], strict=True)))
    for name in ("ner", "morphologizer", "textcat", "senter"):
        # As after a long training: nothing is at its start value.
        for tensor in module_of(nlp, name).parameters():
            tensor.data += 0.3 * torch.randn_like(tensor)
    found, _ = run(nlp, tmp_path, onnx=True)
    assert len(encoder(found).transformer.outputs) == 6
    assert_vectors(nlp, found, ragged)
    assert_same(nlp, found, RAGGED)


def test_token_types_reach_the_graph(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert)
    found, _ = run(nlp, tmp_path, onnx=True)
    assert_vectors(nlp, found, pairs)
    segment = encoder(found).segment
    encoder(found).segment = lambda docs: _without_types(segment(docs))  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_vectors(nlp, found, pairs)


def _without_types(windows: Any) -> Any:
    windows.types = None
    return windows


def test_no_text_at_all(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert)
    found, _ = run(nlp, tmp_path, onnx=True)
    assert [len(doc) for doc in found.pipe(["", "", " "])] == [0, 0, 1]
    assert_same(nlp, found, ["", ""])


def test_the_graph_ends_with_the_highest_layer_that_is_read(bert: str, tmp_path: Path) -> None:
    """Even if the blocks above are still in the configuration."""
    nlp = trained(bert, {"tagger": mean(1, 2)})
    found, _ = run(nlp, tmp_path, onnx=True, cut=False)
    assert encoder(found).num_layers == 4
    names = {
        node.name for node in onnx.load_from_string(encoder(found).transformer.graph).graph.node
    }
    assert any("layer.1/" in name for name in names)
    assert not any("layer.2/" in name for name in names)
    assert_same(nlp, found, RAGGED)


def test_one_forward_pass_for_all_listeners(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": listener("attention")})
    found, _ = run(nlp, tmp_path, onnx=True)
    calls: list[Any] = []
    graph = encoder(found).transformer
    original = graph.run
    monkeypatch.setattr(graph, "run", lambda *args: calls.append(args) or original(*args))
    found("Anna lives in Berlin")
    assert len(calls) == 1 and calls[0][3] == [0, 1]


# With other options


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_floats_in_the_graph(bert: str, tmp_path: Path, kind: str) -> None:
    nlp = trained(bert, {"tagger": mix()})
    found, steps = run(nlp, tmp_path / "half", onnx=True, half=kind)
    whole, _ = run(nlp, tmp_path / "whole", onnx=True)
    tensors = initializers(whole)
    halves = {name.removesuffix(f"_{kind}"): t for name, t in initializers(found).items()}
    assert set(halves) == set(tensors)
    shrunk = {name for name in tensors if halves[name].nbytes < tensors[name].nbytes}
    assert len(shrunk) >= 24 and all(tensors[name].size >= 1024 for name in shrunk)
    for name in shrunk:
        rounded = torch.from_numpy(tensors[name].copy()).to(getattr(torch, kind))
        assert halves[name].tobytes() == rounded.view(torch.int16).numpy().tobytes()
    assert 1e-6 < relative_error(whole, found) < (1e-2 if kind == "float16" else 5e-2)
    assert steps[-1].name == f"onnx + {kind}"


def initializers(nlp: Language) -> dict[str, numpy.ndarray]:
    from onnx import numpy_helper

    model = onnx.load_from_string(encoder(nlp).transformer.graph)
    return {x.name: numpy_helper.to_array(x) for x in model.graph.initializer}


def relative_error(expected: Language, found: Language) -> float:
    one, other = (
        [batch.model_output[name] for name in vector_names(nlp)]
        for nlp in (expected, found)
        for batch in [nlp.get_pipe("transformer").predict(ragged(nlp))]  # type: ignore[attr-defined]
    )
    return max(float((a - b).norm() / a.norm()) for a, b in zip(one, other, strict=True))


def test_int8_in_the_graph_is_close(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": listener("fusion")})
    found, _ = run(nlp, tmp_path / "int8", onnx=True, int8=True, int8_embeddings=True)
    whole, _ = run(nlp, tmp_path / "whole", onnx=True)
    kinds = [n.op_type for n in onnx.load_from_string(encoder(found).transformer.graph).graph.node]
    # Six per block, as the Linear layers of torch: not attention's own products, nor aggregations.
    assert kinds.count("MatMulInteger") == 24
    assert 1e-4 < relative_error(whole, found) < 0.15


def test_a_trimmed_vocabulary_is_trimmed_in_the_graph(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix()})
    found, _ = run(nlp, tmp_path, onnx=True, trim=True)
    assert len(encoder(found).tokenizer) < len(encoder(nlp).tokenizer)
    assert_vectors(nlp, found, texts_of)


# The same `nlp`


def test_saving_processes_and_packages(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": mean(0, -4)})
    found, _ = run(nlp, tmp_path, onnx=True)
    assert_same(found, load_model_from_config(found.config).from_bytes(found.to_bytes()))
    assert_same(found, pickle.loads(pickle.dumps(found)))
    found.to_disk(tmp_path / "again")
    assert_same(found, spacy.load(tmp_path / "again"))
    one = annotations(found.pipe(TEXTS, batch_size=2))
    assert annotations(found.pipe(TEXTS, batch_size=2, n_process=2)) == one
    assert_same(found, packaged(tmp_path / "out", tmp_path / "packages"))


def test_listeners_are_replaced(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix()})
    found, _ = run(nlp, tmp_path, onnx=True)
    found.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    found.remove_pipe("transformer")
    assert_same(nlp, found, RAGGED)
    found.to_disk(tmp_path / "own")
    assert_same(nlp, spacy.load(tmp_path / "own"), RAGGED)


def test_a_frozen_graph_serves_components_that_train(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mean(1, 2)})
    found, _ = run(nlp, tmp_path, onnx=True)
    optimizer = found.resume_training()
    frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
    losses = [found.update(examples(found), sgd=optimizer, **frozen)["tagger"] for _ in range(30)]  # type: ignore[arg-type]
    assert losses[-1] < losses[0]


# What is refused


def test_training_is_refused(bert: str, tmp_path: Path) -> None:
    found, _ = run(trained(bert, {"tagger": mix()}), tmp_path, onnx=True)
    with pytest.raises(ValueError, match="cannot be trained: it is an ONNX graph.*Fix: "):
        found.update(examples(found), sgd=found.resume_training())
    with pytest.raises(ValueError, match="no layers.*Fix: "):
        found.update(
            examples(found),
            sgd=found.resume_training(),
            exclude=["transformer"],
            annotates=["transformer"],
        )
    with pytest.raises(ValueError, match="no layers.*Fix: "):
        encoder(found).encode([found.make_doc("Anna")], [1])
    with pytest.raises(ValueError, match="ONNX graph already"):
        optimize(tmp_path / "out", tmp_path / "twice", Options(half="float16"))
    assert not (tmp_path / "twice").exists()


def test_a_stock_factory_is_refused(bert: str, tmp_path: Path) -> None:
    source = saved(trained(bert, {"tagger": mean(1)}, factory="transformer"), tmp_path / "model")
    with pytest.raises(ValueError, match='Expected "dlfa_transformer"'):
        optimize(source, tmp_path / "out", Options(onnx=True))


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_extra_says_how_to_install_it(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    run(trained(bert), tmp_path, onnx=True)
    original = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == missing:
            raise ImportError(f"No module named {missing!r}")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r'pip install "dlfa-spacy\[onnx\]"'):
        optimize(tmp_path / "model", tmp_path / "other", Options(onnx=True))
    if missing == "onnxruntime":
        with pytest.raises(ValueError, match=r'pip install "dlfa-spacy\[onnx\]"'):
            spacy.load(tmp_path / "out")
    else:
        # Only to make one.
        spacy.load(tmp_path / "out")


def test_another_aggregation_is_refused(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix()})
    found, _ = run(nlp, tmp_path, onnx=True)
    module = module_of(nlp, "tagger")
    module.logits.data += torch.linspace(0, 1, 5)
    nlp.to_disk(tmp_path / "other")
    # The same slot, other weights: a checkpoint of another step.
    tagger = found.get_pipe("tagger")
    tagger.from_disk(tmp_path / "other" / "tagger", exclude=["vocab"])  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="ONNX graph does not hold.*Fix: "):
        found("Anna lives in Berlin")


@pytest.fixture(scope="module")
def exported(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Language:
    return run(trained(bert, {"tagger": mix()}), tmp_path_factory.mktemp("exported"), onnx=True)[0]


def changed(message: dict[str, Any], kind: str) -> dict[str, Any]:
    part = message["encoder"]["onnx"]
    model = onnx.load_from_string(part["graph"])
    if kind == "graph missing":
        del message["encoder"]["onnx"]
    elif kind == "field missing":
        del part["outputs"]
    elif kind == "a bit":
        part["graph"] = (
            part["graph"][:-100] + bytes([part["graph"][-100] ^ 1]) + part["graph"][-99:]
        )
    elif kind == "cut off":
        _put(part, part["graph"][:-500])
    elif kind == "fewer outputs":
        part["outputs"] = []
    elif kind == "more outputs":
        part["outputs"].append(["vectors_x", "0"])
    elif kind == "input":
        for node in model.graph.node:
            node.input[:] = [name.replace("input_ids", "ids") for name in node.input]
        model.graph.input[0].name = "ids"
        _put(part, model.SerializeToString())
    elif kind == "width":
        message["encoder"]["config"]["hidden_size"] = 64
    elif kind == "vocabulary":
        message["encoder"]["config"]["vocab_size"] += 50
    elif kind == "tokenizer":
        message["encoder"]["n_pieces"] -= 1
    elif kind == "weights instead":
        message["format"] = 1
    return message


def _put(part: dict[str, Any], graph: bytes) -> None:
    part["graph"], part["sha256"] = graph, hashlib.sha256(graph).hexdigest()


KINDS = [
    "graph missing",
    "field missing",
    "a bit",
    "cut off",
    "fewer outputs",
    "more outputs",
    "input",
    "width",
    "vocabulary",
    "tokenizer",
    "weights instead",
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_that_does_not_fit_is_refused(exported: Language, kind: str) -> None:
    model = encoder(exported).copy()
    data = model.shim.to_bytes()
    model.shim.from_bytes(data)
    message = changed(srsly.msgpack_loads(data), kind)
    with pytest.raises(ValueError, match="Fix: "):
        model.shim.from_bytes(srsly.msgpack_dumps(message))
    # What was there still works.
    assert model.shim.to_bytes() == data
    assert type(model.packed) is not PackedEncoder
