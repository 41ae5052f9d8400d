"""An encoder in four bits: exact numbers, folders, pipelines, and files that are refused."""

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
import torch
from fourbit import packed_folder, packed_state, unpacked
from hypothesis import given, settings
from hypothesis import strategies as st
from life import (
    TEXTS,
    annotations,
    assert_same,
    encoder_block,
    examples,
    initialized,
    listener,
    moved,
    parameters,
    pipeline,
    reloaded,
    stock_listener,
    train,
    trained,
)
from safetensors.torch import load_file, save_file
from spacy.language import Language
from spacy.util import load_model_from_config
from tiny import tiny_bert
from torch import nn
from transformers import AutoConfig, AutoModel, BertModel

from dlfa_spacy.encoder.storage.int4 import pack, unpack
from dlfa_spacy.encoder.storage.int4_embedding import (
    Int4Embedding,
    has_packed_embeddings,
    pack_embedding,
    unpack_embeddings,
)
from dlfa_spacy.encoder.storage.int4_folder import floats, save_int4
from dlfa_spacy.encoder.storage.int4_linear import Int4Linear, pack_linear, plain_linear
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.encoder.storage.weights import int4_layers
from dlfa_spacy.optimization.optimize import Options, optimize
from dlfa_spacy.pipeline.callbacks import build_freeze_layers_v1

ROWS = "embeddings.word_embeddings"
QUERY = "encoder.layer.0.attention.self.query"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return packed_folder(tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module", params=["bert", "xlm_roberta"])
def any_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return packed_folder(tmp_path_factory.mktemp(request.param), request.param)


def encoder(nlp: Language) -> Any:
    return nlp.get_pipe("transformer").model  # type: ignore[attr-defined]


def frozen(folder: str, steps: int = 2) -> Language:
    """RETURNS: A pipeline whose tagger trained on a frozen encoder."""
    nlp = pipeline(folder, {"tagger": listener("mean")})
    optimizer = nlp.initialize(lambda: examples(nlp))
    train(nlp, steps, optimizer, exclude=["transformer"], annotates=["transformer"])
    return nlp


# Numbers


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 5), blocks=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_unpacking_follows_the_layout_weight_by_weight(rows: int, blocks: int, seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    nibbles = rng.integers(0, 256, (rows, 16 * blocks)).astype("uint8")
    scales = rng.normal(scale=10 ** rng.uniform(-4, 3), size=(rows, blocks)).astype("float16")
    found = unpack(torch.from_numpy(nibbles), torch.from_numpy(scales))
    assert found.dtype == torch.float32
    numpy.testing.assert_array_equal(found.numpy(), unpacked(nibbles, scales))


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 5), blocks=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_packing_is_off_by_half_a_step_and_keeps_packed_values(
    rows: int, blocks: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, 32 * blocks, generator=generator)
    nibbles, scales = pack(weight)
    found = unpack(nibbles, scales)
    step = scales.float().abs().repeat_interleave(32, dim=1)
    # The other end of the range has seven steps, and a weight may be as large as the largest.
    error = (found - weight).abs()
    assert bool(torch.all((error <= 0.501 * step) | (weight.abs() > 7.4 * step)))
    assert bool(torch.all(error <= 1.01 * step))
    # The largest weight of each block has the end of the range, so packing again changes nothing.
    again, same = pack(found)
    torch.testing.assert_close(unpack(again, same), found, atol=0, rtol=0)
    assert torch.equal(again, nibbles) and torch.equal(same, scales)


def test_a_byte_holds_a_weight_and_the_one_sixteen_places_on() -> None:
    weight = torch.zeros(1, 64)
    weight[0, 3], weight[0, 19], weight[0, 32 + 15] = -8.0, 4.0, 1.0
    nibbles, scales = pack(weight)
    assert nibbles.shape == (1, 32) and scales.tolist() == [[1.0, -0.125]]
    # -8 is 0, in the low half; 4 is 12, in the high half.
    assert int(nibbles[0, 3]) == 12 << 4
    # The second block's scale is negative: 1 is 0, in the low half; the rest is 8.
    assert int(nibbles[0, 16 + 15]) == 8 << 4
    assert int(nibbles[0, 0]) == 8 | 8 << 4


def test_zeros_and_extreme_weights() -> None:
    assert bool((unpack(*pack(torch.zeros(2, 32))) == 0).all())
    tiny = torch.full((1, 32), 1e-30)
    assert bool((unpack(*pack(tiny)) == 0).all())
    wide = torch.linspace(-65504 * 8, 65504 * 7, 32)[None]
    found = unpack(*pack(wide))
    assert float(found.min()) == -65504 * 8 and bool(torch.isfinite(found).all())
    for weight in (wide * 2, torch.full((1, 32), float("nan"))):
        with pytest.raises(ValueError, match="cannot be kept in four bits.*leave this encoder"):
            pack(weight)


@pytest.mark.parametrize("width", [1, 16, 31, 33, 48])
def test_a_width_that_makes_no_blocks_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match=f"width {width} .*multiple of 32"):
        pack(torch.randn(3, width))


def test_rows_are_those_of_the_weight() -> None:
    rows = pack_embedding(nn.Embedding(7, 64, padding_idx=2))
    ids = torch.tensor([[0, 6, 2], [3, 3, 1]])
    torch.testing.assert_close(rows(ids), rows.weight[ids], atol=0, rtol=0)
    torch.testing.assert_close(rows.unpacked()(ids), rows(ids), atol=0, rtol=0)
    assert rows.unpacked().padding_idx == rows.padding_idx == 2
    kept = rows.rows(torch.tensor([6, 2]), padding_idx=1)
    torch.testing.assert_close(kept.weight, rows.weight[[6, 2]], atol=0, rtol=0)
    assert kept.padding_idx == 1 and list(rows.parameters()) == []


def test_a_linear_layer_is_packed_until_its_weights_change() -> None:
    layer = pack_linear(nn.Linear(32, 5))
    assert layer.is_packed and set(layer.state_dict()) == {"weight", "bias"}
    plain = plain_linear(layer)
    assert type(plain) is nn.Linear and plain.weight is layer.weight
    assert (plain.in_features, plain.out_features) == (32, 5)
    x = torch.randn(3, 32)
    torch.testing.assert_close(plain(x), layer(x), atol=0, rtol=0)
    layer.bias.data.add_(1)
    assert layer.is_packed
    layer.weight.data[0, 0] += 1e-3
    assert not layer.is_packed
    assert plain_linear(plain) is plain


# Folders


def test_layers_are_those_of_a_plain_encoder_with_the_same_weights(any_folder: str) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("dlfa_transformer", name="transformer", config={"model": {"name": any_folder}})
    nlp.initialize()
    model = encoder(nlp)
    saved = load_file(Path(any_folder) / "model.safetensors")
    state = {}
    for key, tensor in saved.items():
        name, _, part = key.rpartition(".")
        if part == "nibbles":
            weight = unpacked(tensor.numpy(), saved[f"{name}.scales"].numpy())
            state[f"{name}.weight"] = torch.from_numpy(weight)
        elif part != "scales":
            state[key] = tensor
    # Every Linear layer and the vocabulary; the pooler stays in floats, or goes.
    assert sum(key.endswith(".nibbles") for key in saved) == 4 * 6 + 1
    config = AutoConfig.from_pretrained(any_folder)
    del config.quantization_config
    plain = AutoModel.from_config(config)
    plain.load_state_dict(state)
    docs = [nlp.make_doc(text) for text in TEXTS]
    batch = model.encode(docs, list(range(5)))
    begin = 0
    for doc in docs:
        ids = torch.tensor([model.tokenizer(doc.text)["input_ids"]])
        with torch.no_grad():
            output = plain.eval()(input_ids=ids, output_hidden_states=True)
        for layer, hidden in enumerate(output.hidden_states):
            found = batch.states[layer][begin : begin + ids.shape[1]]
            torch.testing.assert_close(found, hidden[0], atol=2e-5, rtol=1e-5)
        begin += ids.shape[1]


def test_other_libraries_refuse_the_folder(folder: str) -> None:
    with pytest.raises(ValueError, match="quant"):
        AutoModel.from_pretrained(folder)
    with pytest.raises(ValueError, match="quant"):
        BertModel.from_pretrained(folder)


def test_a_folder_is_written_twice_alike(folder: str, tmp_path: Path) -> None:
    hf = load_encoder(folder, {}, {})
    save_int4(hf.transformer, hf.tokenizer, tmp_path / "again")
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "again" / name).read_bytes() == (Path(folder) / name).read_bytes(), name
    # Older transformers note there who chose the attention.
    once, again = (
        {
            key: value
            for key, value in srsly.read_json(place / "config.json").items()
            if not key.startswith("_")
        }
        for place in (Path(folder), tmp_path / "again")
    )
    assert again == once


def test_floats_leave_no_layer_in_four_bits(folder: str) -> None:
    transformer = load_encoder(folder, {}, {}).transformer
    ids = torch.tensor([[5, 6, 7]])
    before = transformer.eval()(input_ids=ids).last_hidden_state
    floats(transformer)
    kinds = {type(module) for module in transformer.modules()}
    assert not kinds & {Int4Linear, Int4Embedding}
    torch.testing.assert_close(transformer(input_ids=ids).last_hidden_state, before)
    assert int4_layers(transformer) == []


# Pipelines


def test_a_frozen_encoder_is_saved_bit_for_bit(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder)
    state = packed_state(nlp)
    assert len(state) == 2 * (4 * 6 + 1)
    given_ = load_file(Path(folder) / "model.safetensors")
    for key, tensor in state.items():
        assert torch.equal(tensor, given_[key]), key
    loaded = reloaded(nlp, tmp_path / "once")
    for key, tensor in packed_state(loaded).items():
        assert torch.equal(tensor, given_[key]), key
    assert_same(nlp, loaded)
    loaded.to_disk(tmp_path / "twice")
    first, second = (tmp_path / name / "transformer/model" for name in ("once", "twice"))
    assert first.read_bytes() == second.read_bytes()


def test_bytes_a_copy_a_pickle_and_processes(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder)
    state = packed_state(nlp)
    others = [
        load_model_from_config(nlp.config).from_bytes(nlp.to_bytes()),
        copy.deepcopy(nlp),
        pickle.loads(pickle.dumps(nlp)),
    ]
    for other in others:
        assert all(torch.equal(tensor, state[key]) for key, tensor in packed_state(other).items())
        assert set(packed_state(other)) == set(state)
        assert_same(nlp, other)
    copied = encoder(nlp).copy()
    assert int4_layers(copied.transformer) == int4_layers(encoder(nlp).transformer)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    assert annotations(nlp.pipe(TEXTS)) == annotations(others[0].pipe(TEXTS))
    assert_same(nlp, reloaded(nlp, tmp_path / "own"))


def test_several_processes(folder: str, tmp_path: Path) -> None:
    nlp = reloaded(frozen(folder), tmp_path / "nlp")
    expected = annotations(nlp.pipe(TEXTS))
    assert annotations(nlp.pipe(TEXTS, n_process=2, batch_size=2)) == expected


def test_what_trained_is_saved_in_floats_and_the_rest_in_four_bits(
    folder: str, tmp_path: Path
) -> None:
    nlp = initialized(pipeline(folder, {"tagger": listener("mean")}))
    transformer = encoder(nlp).transformer
    for name, parameter in transformer.named_parameters():
        parameter.requires_grad_("encoder.layer.3" in name)
    before = parameters(nlp)
    train(nlp, 2)
    changed = moved(before, parameters(nlp))
    assert changed and all("encoder.layer.3" in name for name in changed)
    kept = int4_layers(transformer)
    assert ROWS in kept and QUERY in kept
    assert not any("encoder.layer.3" in name for name in kept) and len(kept) == 3 * 6 + 1
    loaded = reloaded(nlp, tmp_path / "nlp")
    assert int4_layers(encoder(loaded).transformer) == kept
    for name, array in parameters(loaded).items():
        numpy.testing.assert_array_equal(array, parameters(nlp)[name], err_msg=name)
    assert_same(nlp, loaded)


def test_rows_train_once_they_are_unpacked(folder: str, tmp_path: Path) -> None:
    nlp = initialized(pipeline(folder, {"tagger": listener("mean")}))
    assert has_packed_embeddings(encoder(nlp).transformer)
    assert unpack_embeddings(encoder(nlp).transformer)
    assert not unpack_embeddings(encoder(nlp).transformer)
    before = parameters(nlp)
    train(nlp, 1)
    assert f"{ROWS}.weight" in moved(before, parameters(nlp))
    loaded = reloaded(nlp, tmp_path / "nlp")
    assert not has_packed_embeddings(encoder(loaded).transformer)
    assert_same(nlp, loaded)


def test_bfloat16_blocks_of_packed_layers(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlfa_spacy.encoder.run.packed.has_bfloat16", lambda device: True)
    nlp = initialized(pipeline(folder, {"tagger": listener("mean")}))
    docs = [nlp.make_doc(text) for text in TEXTS]
    expected = encoder(nlp).encode(docs, [4]).states[4]
    encoder(nlp).packed.mixed_precision = True
    found = encoder(nlp).encode(docs, [4]).states[4]
    assert found.dtype == torch.float32 and not torch.equal(found, expected)
    similarity = torch.cosine_similarity(found, expected, dim=1)
    assert float(similarity.min()) > 0.99
    assert int4_layers(encoder(nlp).transformer)


@pytest.mark.parametrize("kind", ["load", "bytes", "disk"])
def test_the_vocabulary_is_never_in_floats(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    nlp = frozen(folder)
    data, config = nlp.to_bytes(), nlp.config
    nlp.to_disk(tmp_path / "nlp")

    def refuse(self: Int4Embedding) -> torch.Tensor:
        raise AssertionError("All rows were unpacked.")

    monkeypatch.setattr(Int4Embedding, "weight", property(refuse))
    made = {
        "load": lambda: frozen(folder, steps=1),
        "bytes": lambda: load_model_from_config(config).from_bytes(data),
        "disk": lambda: spacy.load(tmp_path / "nlp"),
    }[kind]()
    assert len(list(made.pipe(TEXTS))) == len(TEXTS)
    made.to_bytes()
    with pytest.raises(AssertionError, match="All rows"):
        _ = encoder(made).transformer.get_input_embeddings().weight


@pytest.mark.slow
def test_formats_of_before_load(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": listener("mean"), "senter": stock_listener()})
    nlp.to_disk(tmp_path / "model")
    ways: dict[int, Options] = {2: Options(int8=True, half="float16")}
    pytest.importorskip("onnxruntime", reason='needs the extra: pip install "dlfa-spacy[onnx]"')
    ways[3] = Options(onnx=True)
    assert _format(tmp_path / "model") == 1
    assert_same(nlp, spacy.load(tmp_path / "model"))
    for number, options in ways.items():
        optimize(tmp_path / "model", tmp_path / str(number), options)
        assert _format(tmp_path / str(number)) == number
        assert len(list(spacy.load(tmp_path / str(number)).pipe(TEXTS))) == len(TEXTS)


def _message(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    outer = srsly.msgpack_loads((folder / "transformer/model").read_bytes())
    shims = [shim for shims in outer["shims"] for shim in shims] if "shims" in outer else []
    return outer, srsly.msgpack_loads(shims[0])


def _format(folder: Path) -> int:
    return int(_message(folder)[1]["format"])


# What is refused


def without(key: str) -> Callable[[dict[str, Any]], None]:
    def change(tensors: dict[str, Any]) -> None:
        del tensors[key]

    return change


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(tensors: dict[str, Any]) -> None:
        tensors[key] = value

    return change


DAMAGED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no nibbles": (without(f"{QUERY}.nibbles"), "missing.*query.weight"),
    "no scales": (without(f"{QUERY}.scales"), "missing.*query.scales"),
    "no rows": (without(f"{ROWS}.nibbles"), "missing.*word_embeddings.weight"),
    "no norm": (without("embeddings.LayerNorm.weight"), "missing.*LayerNorm.weight"),
    "fewer rows": (put(f"{ROWS}.nibbles", torch.zeros(9, 16, dtype=torch.uint8)), r"\(9, 16\)"),
    "nibbles of another shape": (
        put(f"{QUERY}.nibbles", torch.zeros(32, 8, dtype=torch.uint8)),
        r"query.nibbles \(32, 8\) instead of \(32, 16\)",
    ),
    "scales of another type": (put(f"{QUERY}.scales", torch.ones(32, 1)), "query.scales.*float32"),
    "nibbles of another type": (
        put(f"{QUERY}.nibbles", torch.zeros(32, 16, dtype=torch.int8)),
        "query.nibbles.*int8",
    ),
    "one layer more": (
        put("encoder.layer.9.output.dense.nibbles", torch.zeros(32, 16, dtype=torch.uint8)),
        "encoder.layer.9.output.dense",
    ),
    "nibbles of a norm": (
        put("embeddings.LayerNorm.nibbles", torch.zeros(1, 16, dtype=torch.uint8)),
        "embeddings.LayerNorm.*LayerNorm",
    ),
    "one tensor more": (put("other.weight", torch.zeros(3)), "surplus.*other.weight"),
    "weights beside nibbles": (put(f"{QUERY}.weight", torch.zeros(32, 32)), "surplus.*query"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_weights_that_do_not_fit_are_refused(folder: str, tmp_path: Path, kind: str) -> None:
    change, message = DAMAGED[kind]
    copied = tmp_path / "encoder"
    shutil.copytree(folder, copied)
    tensors = load_file(copied / "model.safetensors")
    change(tensors)
    save_file(tensors, copied / "model.safetensors", metadata={"format": "pt"})
    refused(copied, message)


def refused(folder: Path, message: str) -> None:
    nlp = pipeline(str(folder), {"tagger": listener("mean")})
    with pytest.raises(ValueError, match=message) as caught:
        nlp.initialize(lambda: examples(nlp))
    assert "[components.transformer.model] name" in str(caught.value)


def _config(folder: Path, **settings: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**config, **settings}), encoding="utf-8")


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    "cut": (
        lambda f: (f / "model.safetensors").write_bytes(
            (f / "model.safetensors").read_bytes()[:-100]
        ),
        "damaged",
    ),
    "empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "damaged"),
    "foreign": (lambda f: (f / "model.safetensors").write_bytes(b"GGUF" * 1000), "damaged"),
    "block size": (
        lambda f: _config(f, quantization_config={"format": "dlfa_int4", "block_size": 64}),
        "blocks have 64 weights, expected 32",
    ),
    "no block size": (
        lambda f: _config(f, quantization_config={"format": "dlfa_int4"}),
        "blocks have None weights, expected 32",
    ),
    "another format": (
        lambda f: _config(f, quantization_config={"format": "dlfa_int3", "block_size": 32}),
        "could not be loaded",
    ),
    "wider": (lambda f: _config(f, hidden_size=64), "instead of"),
    "of no blocks": (lambda f: _config(f, hidden_size=40), "could not be loaded|instead of"),
    "more blocks": (lambda f: _config(f, num_hidden_layers=5), "missing.*encoder.layer.4"),
}


@pytest.mark.parametrize("kind", FILES)
def test_files_that_are_damaged_or_foreign_are_refused(
    folder: str, tmp_path: Path, kind: str
) -> None:
    damage, message = FILES[kind]
    copied = tmp_path / "encoder"
    shutil.copytree(folder, copied)
    damage(copied)
    refused(copied, message)


def test_floats_where_four_bits_are_promised_are_read_as_floats(
    folder: str, tmp_path: Path
) -> None:
    """As a folder is, all of whose layers trained."""
    copied = tmp_path / "encoder"
    shutil.copytree(folder, copied)
    tiny = tmp_path / "floats"
    tiny.mkdir()
    tiny_bert(tiny)
    shutil.copy(tiny / "model.safetensors", copied / "model.safetensors")
    nlp = initialized(pipeline(str(copied), {"tagger": listener("mean")}))
    assert int4_layers(encoder(nlp).transformer) == []


def test_saved_pipelines_that_do_not_fit_are_refused(folder: str, tmp_path: Path) -> None:
    nlp = frozen(folder, steps=0)
    message = srsly.msgpack_loads(encoder(nlp).shim.to_bytes())
    assert message["format"] == 4

    def loaded(**changes: Any) -> Any:
        encoded = {**message, "encoder": {**message["encoder"], **changes}}
        return encoder(nlp).shim.from_bytes(srsly.msgpack_dumps(encoded))

    names = message["encoder"]["int4_layers"]
    with pytest.raises(ValueError, match="int4_layers = None.*list of names"):
        loaded(int4_layers=None)
    with pytest.raises(ValueError, match="missing.*query.weight.*surplus.*query"):
        loaded(int4_layers=[name for name in names if name != QUERY])
    with pytest.raises(ValueError, match='layer "encoder.other" is in four bits'):
        loaded(int4_layers=[*names, "encoder.other"])
    with pytest.raises(ValueError, match="storage = 'int3'"):
        loaded(storage="int3")
    assert annotations(nlp.pipe(TEXTS))


def test_the_stock_factory_reads_it_too(folder: str, tmp_path: Path) -> None:
    nlp = trained(folder, {"tagger": listener("mean")}, factory="transformer", steps=0)
    loaded = reloaded(nlp, tmp_path / "nlp")
    assert len(packed_state(loaded)) == 2 * (4 * 6 + 1)
    assert_same(nlp, loaded)


def test_settings_of_the_encoder_reach_it(folder: str) -> None:
    block = encoder_block(folder, transformer_config={"hidden_dropout_prob": 0.3})
    nlp = spacy.blank("xx")
    nlp.add_pipe(block["factory"], name="transformer", config={"model": block["model"]})
    nlp.initialize()
    assert encoder(nlp).transformer.config.hidden_dropout_prob == 0.3


def test_embeddings_that_are_to_train_become_floats(folder: str) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("dlfa_transformer", name="transformer", config={"model": {"name": folder}})
    nlp.initialize()
    model = nlp.get_pipe("transformer").model
    packed = model.transformer.get_input_embeddings()
    assert isinstance(packed, Int4Embedding)
    build_freeze_layers_v1(embeddings=True)(nlp)
    assert model.transformer.get_input_embeddings() is packed
    build_freeze_layers_v1(embeddings=False)(nlp)
    rows = model.transformer.get_input_embeddings()
    assert isinstance(rows, torch.nn.Embedding) and rows.weight.requires_grad
    assert torch.equal(rows.weight, packed.weight)
