"""Encoders that people deploy, with tokenizers of their kinds: what works, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from abilities import ABILITIES, KINDS, REFUSED
from tiny import tiny_byte_modernbert, tiny_electra, tiny_modernbert
from transformers import AutoConfig, ModernBertModel

from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.encoder.segment.windows import Windows
from dlfa_spacy.encoder.shim import EncoderShim
from dlfa_spacy.encoder.storage.loading import load_encoder

# What saves and loads a pipeline several times.
SLOW = ("cut", "trim", "int8", "int4", "ONNX")
# ModernBERT norms the output of its last block, so another block cannot be the last.
CANNOT = {(kind, "cut"): "cannot be cut" for kind in ("ModernBERT", "mmBERT")}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return KINDS[kind].make(tmp_path_factory.mktemp("encoder"))


def attempt(ability: str, kind: str, folder: str, path: Path) -> None:
    if ability == "ONNX":
        for module in ("onnx", "onnxruntime"):
            pytest.importorskip(module, reason='needs the extra: pip install "dlfa-spacy[onnx]"')
    if (kind, ability) in CANNOT:
        with pytest.raises(ValueError, match=f"{CANNOT[kind, ability]}.*Fix: "):
            ABILITIES[ability](folder, path)
    else:
        ABILITIES[ability](folder, path)


@pytest.mark.parametrize("ability", [name for name in ABILITIES if name not in SLOW])
def test_every_kind_runs(ability: str, kind: str, folder: str, tmp_path: Path) -> None:
    attempt(ability, kind, folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ability", SLOW)
def test_every_kind_is_optimized(ability: str, kind: str, folder: str, tmp_path: Path) -> None:
    attempt(ability, kind, folder, tmp_path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_reads_no_wordpieces_or_decodes_is_refused(name: str, tmp_path: Path) -> None:
    folder = REFUSED[name](tmp_path)
    with pytest.raises(ValueError, match=r"\] name: the encoder .*Expected .*Fix: choose"):
        load_encoder(folder, {}, {})


def test_rows_that_are_too_narrow_for_four_bits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "encoder").mkdir()
    folder = tiny_electra(tmp_path / "encoder", embedding_size=16)
    with pytest.raises(ValueError, match="width 16 cannot be kept in four bits"):
        ABILITIES["int4"](folder, tmp_path)


# ModernBERT would choose by the packages that it finds


def windows(*lengths: int) -> Any:
    nothing: Any = None
    ids = torch.arange(5, 5 + sum(lengths)).numpy()
    return Windows(ids, torch.tensor(lengths).numpy(), *[nothing] * 6)


def test_modernbert_computes_the_same_with_other_packages_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_byte_modernbert(tmp_path)
    config = AutoConfig.from_pretrained(folder)
    config.reference_compile = None
    config.save_pretrained(folder)
    taken: list[str] = []

    def flash(cls: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        taken.append("flash")
        config._attn_implementation = "flash_attention_2"
        return config

    monkeypatch.setattr(ModernBertModel, "_check_and_enable_flash_attn_2", classmethod(flash))
    objects = load_encoder(folder, {}, {})
    shim = EncoderShim(objects, False, {})
    shim.set_encoder(objects)
    for transformer in (
        objects.transformer,
        EncoderShim.from_bytes(shim, shim.to_bytes())._hfmodel.transformer,
    ):
        assert transformer.config.reference_compile is False
        assert transformer.config._attn_implementation == "sdpa"
    assert not taken
    # Who asks for something else gets it.
    asked = load_encoder(folder, {}, {"attn_implementation": "eager", "reference_compile": True})
    assert asked.transformer.config._attn_implementation == "eager"
    assert asked.transformer.config.reference_compile is True


def test_layers_of_another_shape_are_refused(tmp_path: Path) -> None:
    model: Any = ModernBertModel.from_pretrained(tiny_modernbert(tmp_path)).eval()
    encoder = PackedEncoder(model)
    # As flash attention does: the windows of a batch become one.
    model.layers[0].register_forward_pre_hook(lambda module, args: (args[0].flatten(0, 1)[None],))
    with torch.no_grad(), pytest.raises(ValueError, match=r"H\^0 in the shape .*sdpa"):
        encoder(windows(3, 4), [0])


def test_layers_that_nobody_counted_are_refused(tmp_path: Path) -> None:
    model: Any = ModernBertModel.from_pretrained(tiny_modernbert(tmp_path)).eval()
    encoder = PackedEncoder(model)
    # A hook, so that the encoder runs by itself; and a block more than it says.
    model.layers[0].register_forward_hook(lambda module, args, output: output)
    model.config.num_hidden_layers = 3
    with torch.no_grad(), pytest.raises(ValueError, match="gives 5 layers, .* is 3"):
        encoder(windows(3, 4), [1, 3])
