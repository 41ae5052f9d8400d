"""`dlfa optimize`: smaller pipelines that predict the same, each step alone and all together."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from life import TEXTS, annotations, assert_same, initialized, stock_listener
from optimized import attention, encoder, mean, mix, module_of, packaged, run, saved, trained
from spacy.language import Language
from spacy.util import load_model_from_config
from tiny import (
    tiny_bert,
    tiny_deberta,
    tiny_electra,
    tiny_mmbert,
    tiny_roberta,
    tiny_xlm_roberta,
    wordpiece_vocab,
)
from torch import nn
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner

from dlfa_spacy.aggregators import LayerAttention, ScalarMix
from dlfa_spacy.aggregators.selected_layers import SelectedLayers
from dlfa_spacy.cli import app
from dlfa_spacy.encoder import shim
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.storage.int8 import Int8Linear, quantize
from dlfa_spacy.encoder.storage.int8_embedding import Int8Embedding
from dlfa_spacy.optimization.cut import cut_encoders
from dlfa_spacy.optimization.drop import drop_layers
from dlfa_spacy.optimization.optimize import Options, optimize
from dlfa_spacy.optimization.vocabulary import kept_ids, trim_vocabularies
from dlfa_spacy.pipeline.readers import encoders_in_use

# Cutting


@pytest.mark.parametrize("make", [tiny_bert, tiny_xlm_roberta, tiny_electra, tiny_deberta])
def test_blocks_that_nobody_reads_are_taken_out(make: Any, tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    folder = make(tmp_path / "encoder")
    nlp = trained(folder, {"tagger": mean(-4, -3), "ner": mean(1, -5)}, steps=0)
    found, steps = run(nlp, tmp_path)
    assert encoder(found).num_layers == 2
    assert encoder(found).transformer.config.num_hidden_layers == 2
    blocks = found.config["components"]
    assert blocks["tagger"]["model"]["tok2vec"]["aggregation"]["layers"] == [1, 2]
    assert blocks["ner"]["model"]["tok2vec"]["aggregation"]["layers"] == [0, 1]
    assert steps[-1].size < steps[0].size
    assert_same(nlp, found)


@pytest.mark.slow
def test_an_encoder_whose_last_layer_is_read_keeps_its_blocks(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mean(0, 1), "ner": stock_listener()})
    found, _ = run(nlp, tmp_path)
    assert encoder(found).num_layers == 4
    assert not any(key.startswith("pooler") for key in encoder(found).transformer.state_dict())
    assert_same(nlp, found)


@pytest.mark.slow
def test_a_stock_factory_and_an_encoder_of_ones_own_are_cut(bert: str, tmp_path: Path) -> None:
    stock = trained(bert, {"tagger": mean(-3)}, factory="transformer")
    found, _ = run(stock, tmp_path / "stock")
    assert encoder(found).num_layers == 2
    assert_same(stock, found)
    own = trained(bert, {"tagger": mean(-3)})
    own.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    own.remove_pipe("transformer")
    found, _ = run(own, tmp_path / "own")
    assert encoders_in_use(found)[0].model.num_layers == 2
    assert_same(own, found)


class NormedAtTheEnd(nn.Module):
    """As encoders with a final norm: what comes out is not what the last block gave."""

    def __init__(self, encoder: Any):
        super().__init__()
        self.encoder, self.config = encoder, encoder.config
        self.norm = nn.LayerNorm(encoder.config.hidden_size)
        self.get_input_embeddings = encoder.get_input_embeddings

    def forward(self, **kwargs: Any) -> Any:
        output = self.encoder(**kwargs)
        output.last_hidden_state = 2 * self.norm(output.last_hidden_state)
        return output


def test_an_encoder_that_norms_its_last_layer_is_not_cut(bert: str) -> None:
    nlp = trained(bert, {"tagger": mean(1)})
    encoder(nlp).packed.transformer = NormedAtTheEnd(encoder(nlp).transformer)
    with pytest.raises(ValueError, match="cannot be cut after layer 1.*--no-cut"):
        cut_encoders(nlp, encoders_in_use(nlp))


def test_no_cut(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mean(1)})
    found, steps = run(nlp, tmp_path, cut=False)
    assert encoder(found).num_layers == 4 and len(steps) == 1


# Dropping


def test_selected_layers_are_a_masked_softmax() -> None:
    states = torch.randn(5, 7, 8)
    lengths = torch.tensor([4, 3])
    for whole in (ScalarMix(4), LayerAttention(8, 4, key_width=4)):
        name = "logits" if isinstance(whole, ScalarMix) else "bias"
        if isinstance(whole, LayerAttention):
            assert whole.beta is not None
            whole.beta.data.fill_(0.7)
        getattr(whole, name).data.normal_()
        small = ScalarMix(2) if isinstance(whole, ScalarMix) else LayerAttention(8, 2, key_width=4)
        state = copy.deepcopy(whole.state_dict())
        state[name] = state[name][[1, 2, 4]]
        small.load_state_dict(state)
        getattr(whole, name).data[[0, 3]] = -1e4
        selected = SelectedLayers(small, [1, 2, -1]).eval()
        whole.eval()
        torch.testing.assert_close(selected(states, lengths), whole(states, lengths))
        assert selected.needs(4) == [1, 2, 4]
        expected = (
            whole.layer_weights()
            if isinstance(whole, ScalarMix)
            else whole.layer_weights(states=states)
        )
        torch.testing.assert_close(selected.layer_weights(states=states), expected)


def test_layers_of_small_weight_leave_a_scalar_mix(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix()})
    module = module_of(nlp, "tagger")
    module.logits.data = torch.tensor([-9.0, 1.0, -9.0, 1.5, -9.0])
    module.gamma.data.fill_(1.3)
    found, steps = run(nlp, tmp_path, drop=0.01)
    assert encoder(found).num_layers == 3
    block = found.config["components"]["tagger"]["model"]["tok2vec"]["aggregation"]
    assert block["@layers"] == "dlfa_spacy.SelectedLayers.v1" and block["layers"] == [1, 3]
    assert "without layers [0, 2, 4]" in steps[1].changes[0]
    # The plain computation: the same weights, renormalized, on the uncut encoder.
    module.logits.data[[0, 2, 4]] = -1e4
    assert_same(nlp, found)
    again = spacy.load(tmp_path / "out")
    assert_same(found, again)


@pytest.mark.parametrize("residual", [True, False])
def test_layers_of_small_weight_leave_an_attention(
    bert: str, tmp_path: Path, residual: bool
) -> None:
    nlp = trained(bert, {"tagger": attention(residual)})
    module = module_of(nlp, "tagger")
    module.bias.data = torch.tensor([-30.0, 20.0, -30.0, 20.0, -30.0])
    if residual:
        module.beta.data.fill_(0.6)
    found, _ = run(nlp, tmp_path, drop=0.02)
    assert module_of(found, "tagger").layers == ([1, 3, 4] if residual else [1, 3])
    assert encoder(found).num_layers == (4 if residual else 3)
    module.bias.data[[0, 2] if residual else [0, 2, 4]] = -1e4
    assert_same(nlp, found)


def test_a_threshold_that_leaves_nothing_or_texts_that_are_missing(bert: str) -> None:
    nlp = trained(bert, {"tagger": mix()})
    with pytest.raises(ValueError, match="no layer of .*tagger"):
        drop_layers(nlp, encoders_in_use(nlp), 0.9, [])
    with pytest.raises(ValueError, match="between 0 and 1"):
        drop_layers(nlp, encoders_in_use(nlp), 1.5, [])
    nlp = trained(bert, {"tagger": attention()})
    with pytest.raises(ValueError, match="--texts FILE"):
        drop_layers(nlp, encoders_in_use(nlp), 0.1, [])


# Half floats and int8


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_floats_take_half_the_bytes(bert: str, tmp_path: Path, kind: str) -> None:
    nlp = trained(bert)
    found, _ = run(nlp, tmp_path, half=kind, cut=False)
    message = srsly.msgpack_loads(encoder(found).shim.to_bytes())
    plain = srsly.msgpack_loads(encoder(nlp).shim.to_bytes())
    assert message["format"] == 2 and plain["format"] == 1
    assert len(message["encoder"]["weights"]) < 0.6 * len(plain["encoder"]["weights"])
    dtype = getattr(torch, kind)
    for name, tensor in encoder(nlp).transformer.state_dict().items():
        other = encoder(found).transformer.state_dict()[name]
        assert other.dtype == tensor.dtype
        expected = tensor.to(dtype).float() if tensor.dtype == torch.float32 else tensor
        assert torch.equal(other, expected)


@pytest.mark.slow
def test_training_takes_half_floats_back_to_single_ones(bert: str, tmp_path: Path) -> None:
    found, _ = run(trained(bert), tmp_path, half="float16")
    initialized(found, 1)
    assert encoder(found).shim.storage == "float32"
    found.to_disk(tmp_path / "again")
    assert_same(found, spacy.load(tmp_path / "again"))


def test_a_weight_too_large_for_float16_is_refused(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert)
    next(encoder(nlp).transformer.parameters()).data[0, 0] = 1e6
    with pytest.raises(ValueError, match="--half-type bfloat16"):
        run(nlp, tmp_path, half="float16")
    assert not (tmp_path / "out").exists()


def test_int8_layers_compute_what_torch_computes(bert: str) -> None:
    from torch.ao.quantization import per_channel_dynamic_qconfig, quantize_dynamic

    own = AutoModel.from_pretrained(bert, add_pooling_layer=False).eval()
    spec = {nn.Linear: per_channel_dynamic_qconfig}
    reference = quantize_dynamic(copy.deepcopy(own), spec, torch.qint8)
    plain = own(torch.tensor([[2, 7, 8, 3]])).last_hidden_state
    assert len(quantize(own)) == 24
    with torch.no_grad():
        ids = torch.tensor([[2, 7, 8, 3]])
        found = own(ids).last_hidden_state
        assert torch.equal(found, reference(ids).last_hidden_state)
        assert not torch.equal(found, plain)
        torch.testing.assert_close(found, plain, atol=0.3, rtol=0.1)
        again = pickle.loads(pickle.dumps(own))
        assert torch.equal(again(ids).last_hidden_state, found)
    assert next(m for m in again.modules() if isinstance(m, Int8Linear)).in_features == 32


def test_rows_of_integers_are_off_by_half_a_step_at_most(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert)
    rows = encoder(nlp).transformer.get_input_embeddings()
    rows.weight.data[5] = 0.0
    rows.weight.data[6] = 1e-30
    found, steps = run(nlp, tmp_path, int8_embeddings=True)
    made = encoder(found).transformer.get_input_embeddings()
    assert isinstance(made, Int8Embedding) and made.padding_idx == rows.padding_idx
    ids = torch.arange(rows.num_embeddings)[None]
    off = (made(ids) - rows(ids)).abs().amax(dim=2)
    half_a_step = rows.weight.abs().amax(dim=1)[None] / 254
    assert bool((off <= half_a_step * 1.001 + 1e-12).all())
    assert bool((made(ids)[0, 5] == 0).all())
    # One byte per number instead of four, and eight per row.
    saved_bytes = rows.weight.numel() * 3 - 8 * len(rows.weight)
    assert abs(steps[1].size - steps[2].size - saved_bytes) < 2000
    with pytest.raises(ValueError, match="has no embedding of floats"):
        optimize(tmp_path / "out", tmp_path / "twice", Options(int8_embeddings=True))


@pytest.mark.slow
def test_an_int8_pipeline_is_not_trained(bert: str, tmp_path: Path) -> None:
    found, _ = run(trained(bert), tmp_path, int8=True)
    with pytest.raises(ValueError, match=r"cannot be trained.*int8"):
        initialized(found, 1)
    with pytest.raises(ValueError, match="int8 already"):
        optimize(tmp_path / "out", tmp_path / "twice", Options(int8=True))
    assert not (tmp_path / "twice").exists()


def changed(message: dict[str, Any], kind: str) -> dict[str, Any]:
    from safetensors.torch import load, save

    encoder = message["encoder"]
    weights = load(encoder["weights"])
    name = encoder["int8_layers"][0]
    if kind == "format":
        message["format"] = 3
    elif kind == "storage":
        encoder["storage"] = "float8"
    elif kind == "other storage":
        encoder["storage"] = "bfloat16"
    elif kind == "layer":
        encoder["int8_layers"][0] = "encoder.layer.9.output.dense"
    elif kind == "not int8":
        encoder["int8_layers"] = encoder["int8_layers"][1:]
    elif kind == "settings":
        del encoder["int8_layers"]
    elif kind == "key":
        del weights[f"{name}.scale"]
    elif kind == "shape":
        weights[f"{name}.scale"] = weights[f"{name}.scale"][:3]
    elif kind == "type":
        weights[f"{name}.weight"] = weights[f"{name}.weight"].float()
    elif kind == "half":
        # One that was put back from the pipeline before it was optimized.
        norm = "embeddings.LayerNorm.weight"
        weights[norm] = weights[norm].float()
    elif kind == "tokenizer":
        other = encoder["tokenizer"]
        spec = json.loads(other["tokenizer.json"])
        del spec["model"]["vocab"]["Anna"]
        other["tokenizer.json"] = json.dumps(spec).encode("utf-8")
    elif kind == "weights":
        del encoder["weights"]
        return message
    encoder["weights"] = save(weights)
    return message


KINDS = ["format", "storage", "other storage", "layer", "not int8", "settings", "key", "shape"]


@pytest.fixture(scope="module")
def small(bert: str) -> tuple[Language, bytes]:
    """A pipeline, and its encoder's bytes with int8 layers and half floats."""
    nlp = trained(bert, steps=0)
    shim = copy.deepcopy(encoder(nlp).shim)
    shim.int8_layers, shim.storage = quantize(shim._hfmodel.transformer), "float16"
    return nlp, shim.to_bytes()


@pytest.mark.parametrize("kind", [*KINDS, "type", "half", "tokenizer", "weights"])
def test_bytes_that_do_not_fit_are_refused(small: tuple[Language, bytes], kind: str) -> None:
    nlp, data = small
    shim = copy.deepcopy(encoder(nlp).shim)
    before = shim.to_bytes()
    message = changed(srsly.msgpack_loads(data), kind)
    with pytest.raises(ValueError, match="Fix: "):
        shim.from_bytes(srsly.msgpack_dumps(message))
    assert shim.to_bytes() == before
    # Only what was changed is wrong.
    assert shim.from_bytes(data).int8_layers


# The vocabulary


VOCABULARIES = {
    "wordpiece": tiny_bert,
    "unigram": tiny_xlm_roberta,
    "byte-level": tiny_roberta,
    "byte-fallback": tiny_mmbert,
}


@pytest.fixture(scope="module", params=VOCABULARIES.values(), ids=list(VOCABULARIES))
def trimmed(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Language, Language]:
    blocks = {"tagger": attention(), "ner": attention()}
    nlp = trained(request.param(tmp_path_factory.mktemp("encoder")), blocks)
    other = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    # In byte-pair vocabularies the first word of a text is another piece.
    docs = [other.make_doc(f"{word} {word}") for word in WORDS]
    trim_vocabularies(encoders_in_use(other), docs)
    return nlp, other


WORDS = ["Berlin", "lives", "Anna", "in", "☃"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=9))
def test_covered_text_is_cut_the_same(trimmed: Any, words: list[str]) -> None:
    nlp, other = trimmed
    one, another = (
        pipe.tokenizer.convert_ids_to_tokens(pipe.tokenizer(" ".join(words))["input_ids"])
        for pipe in (encoder(nlp), encoder(other))
    )
    assert one == another


def test_covered_text_is_predicted_the_same(trimmed: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [torch.randint(5, (1 + i % 9,), generator=generator).tolist() for i in range(25)]
    assert_same(*trimmed, [" ".join(WORDS[i] for i in draw) for draw in draws])


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="aenstzB äжक中 ", max_size=20))
def test_characters_of_the_vocabulary_never_become_unknown(trimmed: Any, text: str) -> None:
    _, other = trimmed
    tokenizer = encoder(other).tokenizer
    assert tokenizer.unk_token_id not in PieceTokenizer(tokenizer)([text]).ids
    assert "☃" not in tokenizer.get_vocab()


def test_the_vocabulary_keeps_order_and_rows(trimmed: Any) -> None:
    nlp, other = trimmed
    before, after = encoder(nlp).tokenizer.get_vocab(), encoder(other).tokenizer.get_vocab()
    assert len(after) < len(before)
    assert set(after.values()) == set(range(len(after)))
    kept = sorted(after, key=lambda piece: after[piece])
    assert kept == sorted(after, key=lambda piece: before[piece])
    rows = encoder(other).transformer.get_input_embeddings().weight
    old_rows = encoder(nlp).transformer.get_input_embeddings().weight
    assert torch.equal(rows, old_rows[[before[piece] for piece in kept]])
    for name in ("pad", "unk", "cls", "sep", "mask"):
        key = f"{name}_token"
        special = getattr(encoder(nlp).tokenizer, key)
        assert getattr(encoder(other).tokenizer, key) == special and special in after
    assert encoder(other).transformer.config.vocab_size == len(after)


def test_choosing_pieces_counts_the_vocabulary_once(trimmed: Any) -> None:
    """Counting is linear in the vocabulary: once for each piece was hours for mBERT."""
    nlp, _ = trimmed
    tokenizer = encoder(nlp).tokenizer
    counted: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return tokenizer(*args, **kwargs)

        def __len__(self) -> int:
            counted.append(1)
            return len(tokenizer)

    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    assert len(kept_ids(Counting(), spec, ["Berlin lives"])) > 100
    assert len(counted) < 5


def test_an_unknown_word_of_the_texts_stays_unknown(tmp_path: Path) -> None:
    """ "abc" then no "##d"; without "abc", "ab" and "##cd" would get through."""
    nlp = trained(tiny_bert(tmp_path), steps=0)
    folder = tmp_path / "other"
    folder.mkdir()
    vocab = [p for p in wordpiece_vocab() if p != "##d"] + ["abc", "ab", "##cd", "x", "##ab"]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(vocab)), encoding="utf-8")
    from transformers import BertTokenizerFast

    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False)
    encoder(nlp).shim._hfmodel.tokenizer = tokenizer
    encoder(nlp).shim.piece_tokenizer = PieceTokenizer(tokenizer)
    encoder(nlp).transformer.resize_token_embeddings(len(tokenizer))
    text = "abcd ab xcd"
    pieces = tokenizer.tokenize(text)
    assert pieces == ["[UNK]", "ab", "x", "##cd"]
    trim_vocabularies(encoders_in_use(nlp), [nlp.make_doc(text)])
    assert encoder(nlp).tokenizer.tokenize(text) == pieces
    assert len(encoder(nlp).tokenizer) < len(tokenizer)


def test_tokenizers_that_cannot_be_trimmed(bert: str) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    nlp = trained(bert, steps=0)
    docs = [nlp.make_doc("Anna")]
    pieces = {"<unk>": 0, "a": 1, "b": 2, "ab": 3}
    suffix = models.BPE(pieces, [("a", "b")], unk_token="<unk>", end_of_word_suffix="</w>")
    of_words = models.WordLevel(pieces, unk_token="<unk>")
    shim = encoder(nlp).shim
    fast = AutoTokenizer.from_pretrained(bert)
    marked, whole = (
        PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), unk_token="<unk>")
        for model in (suffix, of_words)
    )
    refused = ((marked, "marks parts of words"), (whole, "type WordLevel"))
    for tokenizer, message in refused:
        shim._hfmodel.tokenizer = tokenizer
        with pytest.raises(ValueError, match=message):
            trim_vocabularies(encoders_in_use(nlp), docs)
    shim._hfmodel.tokenizer = fast
    with pytest.raises(ValueError, match="texts are empty"):
        trim_vocabularies(encoders_in_use(nlp), [])


def test_a_slow_tokenizer_cannot_be_trimmed(bert: str) -> None:
    from transformers import BertTokenizer

    slow = BertTokenizer(str(Path(bert) / "vocab.txt"))
    if slow.is_fast:
        pytest.skip("this transformers has no slow tokenizers")
    nlp = trained(bert, steps=0)
    encoder(nlp).shim._hfmodel.tokenizer = slow
    with pytest.raises(ValueError, match="slow one"):
        trim_vocabularies(encoders_in_use(nlp), [nlp.make_doc("Anna")])


# Alone and together


ALONE: list[dict[str, Any]] = [
    {},
    {"drop": 0.19},
    {"trim": True},
    {"int8": True},
    {"int8_embeddings": True},
    {"half": "float16"},
    {"drop": 0.19, "trim": True, "int8": True, "int8_embeddings": True, "half": "float16"},
]


@pytest.mark.slow
@pytest.mark.parametrize("options", ALONE, ids=lambda o: "+".join(o) or "cut")
def test_every_option_survives_saving(bert: str, tmp_path: Path, options: dict[str, Any]) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": mean(0, -4)})
    module_of(nlp, "tagger").logits.data = torch.tensor([0.1, 0.3, 0.2, 0.1, -0.5])
    found, steps = run(nlp, tmp_path, **options)
    assert steps[-1].size < steps[0].size
    assert_same(found, load_model_from_config(found.config).from_bytes(found.to_bytes()))
    assert_same(found, pickle.loads(pickle.dumps(found)))
    found.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    assert_same(found, again)
    assert [entry["step"] for entry in again.meta["optimized"]] == [x.name for x in steps[1:]]
    if set(options) <= {"trim"}:
        assert_same(nlp, found)


@pytest.mark.slow
def test_everything_together_in_processes_and_as_a_package(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": mean(0, -4)})
    found, _ = run(
        nlp, tmp_path, drop=0.19, trim=True, int8=True, int8_embeddings=True, half="bfloat16"
    )
    one = annotations(found.pipe(TEXTS, batch_size=2))
    assert annotations(found.pipe(TEXTS, batch_size=2, n_process=2)) == one
    package = packaged(tmp_path / "out", tmp_path / "packages")
    assert encoder(package).shim.int8_layers and encoder(package).shim.storage == "bfloat16"
    assert_same(found, package)


# The folder that is written, and the command


def test_the_source_and_other_folders_are_not_overwritten(bert: str, tmp_path: Path) -> None:
    source = saved(trained(bert, steps=0), tmp_path / "all" / "model")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("ten years of work")
    targets = [source, f"{source}/../model", f"{source}/inside", tmp_path / "all", other]
    for target in targets:
        with pytest.raises(ValueError, match="^OUT "):
            optimize(source, target, Options())
    assert (other / "thesis.txt").read_text() == "ten years of work"
    spacy.load(source)
    with pytest.raises(ValueError, match="no encoder of dlfa_spacy"):
        optimize(saved(spacy.blank("xx"), tmp_path / "blank"), tmp_path / "new", Options())
    assert not (tmp_path / "new").exists()


def test_what_was_there_stays_if_the_result_is_broken(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = trained(bert)
    source = saved(nlp, tmp_path / "model")
    optimize(source, tmp_path / "out", Options())
    before = {p: p.read_bytes() for p in sorted((tmp_path / "out").rglob("*")) if p.is_file()}

    load = shim.load_weights
    calls = []

    def forget(transformer: torch.nn.Module, *args: Any) -> None:
        load(transformer, *args)
        calls.append(transformer)
        if len(calls) > 1:
            for weight in transformer.parameters():
                torch.nn.init.zeros_(weight)

    # As if the rounded weights of the result, which is loaded after the source, were never read.
    monkeypatch.setattr(shim, "load_weights", forget)
    monkeypatch.setattr("dlfa_spacy.optimization.optimize.spacy.load", spacy.load)
    with pytest.raises(ValueError, match="Nothing was written"):
        optimize(source, tmp_path / "out", Options(half="float16"))
    after = {p: p.read_bytes() for p in sorted((tmp_path / "out").rglob("*")) if p.is_file()}
    assert after == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model", "out"]


@pytest.mark.slow
def test_the_command_prints_a_table(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": mix(), "ner": mean(0, -4)})
    source = saved(nlp, tmp_path / "model")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    arguments = ["optimize", source, str(tmp_path / "out"), "--half", "--int8"]
    done = CliRunner().invoke(app, [*arguments, "--trim-vocab", str(tmp_path / "texts")])
    assert done.exit_code == 0, done.output
    for words in ("as it was", "wordpieces", "Linear layers", "float16", "100.0 %", "no pooler"):
        assert words in done.output
    numpy.testing.assert_equal(len(list(spacy.load(tmp_path / "out").pipe(TEXTS))), len(TEXTS))
    failed = CliRunner().invoke(app, ["optimize", source, source])
    assert failed.exit_code == 1
