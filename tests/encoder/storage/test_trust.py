"""What loading a pipeline or an encoder must never do: write elsewhere, run code, ask."""

import builtins
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import srsly
import torch
from life import TEXTS, annotations, config, initialized, pipeline, trained
from places import ROOT
from spacy.language import Language
from spacy.util import load_model_from_config
from tiny import tiny_bert

from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.encoder.storage.errors import EncoderError
from dlfa_spacy.encoder.storage.loading import load_encoder, load_tokenizer
from dlfa_spacy.encoder.storage.tokenizer_files import NAMES

EVIL = """
import pathlib
pathlib.Path({mark!r}).write_text("was here")
from transformers import BertConfig, BertModel, BertTokenizerFast
class EvilConfig(BertConfig):
    model_type = "evil"
class EvilModel(BertModel):
    config_class = EvilConfig
class EvilTokenizer(BertTokenizerFast):
    pass
"""
AUTO_MAP = {
    "AutoConfig": "evil.EvilConfig",
    "AutoModel": "evil.EvilModel",
    "AutoModelForMaskedLM": "evil.EvilModel",
    "AutoTokenizer": ["evil.EvilTokenizer", "evil.EvilTokenizer"],
}


@pytest.fixture(autouse=True)
def _nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(prompt: object = "") -> str:
        raise AssertionError(f"asked: {prompt}")

    monkeypatch.setattr(builtins, "input", ask)


def encoder_of(nlp: Language) -> TransformerModel:
    return nlp.get_pipe("transformer").model  # type: ignore[attr-defined, no-any-return]


def with_encoder(nlp: Language, **changes: Any) -> bytes:
    """RETURNS (bytes): Those of the encoder's shim, with some fields of the encoder changed."""
    message = srsly.msgpack_loads(encoder_of(nlp).shim.to_bytes())
    for field, change in changes.items():
        message["encoder"][field].update(change)
    return srsly.msgpack_dumps(message)


def spoil(folder: str, mark: Path, model_type: str = "evil") -> str:
    """RETURNS (str): The folder of an encoder that comes with code."""
    path = Path(folder)
    (path / "evil.py").write_text(EVIL.format(mark=str(mark)))
    for name, more in (("config.json", {"model_type": model_type}), ("tokenizer_config.json", {})):
        values = json.loads((path / name).read_text())
        if name == "tokenizer_config.json" and model_type == "evil":
            more = {"tokenizer_class": "EvilTokenizer"}
        (path / name).write_text(json.dumps({**values, **more, "auto_map": AUTO_MAP}))
    return folder


@pytest.mark.parametrize("kind", ["absolute", "above", "below", "hidden", "unknown"])
def test_only_files_of_a_tokenizer_are_written(bert: str, tmp_path: Path, kind: str) -> None:
    nlp = trained(bert, ["tagger"], steps=0)
    target = tmp_path / "written"
    name = {
        "absolute": str(target),
        "above": f"../{target.name}",
        "below": "below/tokenizer.json",
        "hidden": ".bashrc",
        "unknown": "evil.py",
    }[kind]
    data = with_encoder(nlp, tokenizer={name: b"{}"})
    before = encoder_of(nlp).packed
    with pytest.raises(ValueError, match="plain names .* Fix: check where"):
        encoder_of(nlp).shim.from_bytes(data)
    assert not target.exists() and encoder_of(nlp).packed is before


def test_a_tokenizer_that_is_no_list_of_files_is_refused(bert: str) -> None:
    nlp = trained(bert, ["tagger"], steps=0)
    data = with_encoder(nlp, tokenizer={"vocab.txt": "text"})
    with pytest.raises(ValueError, match="not a list of files"):
        encoder_of(nlp).shim.from_bytes(data)


def test_too_large_a_tokenizer_is_refused(bert: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlfa_spacy.encoder.storage.tokenizer_files.LARGEST", 100)
    nlp = trained(bert, ["tagger"], steps=0)
    with pytest.raises(ValueError, match="expected at most 100"):
        encoder_of(nlp).shim.from_bytes(encoder_of(nlp).shim.to_bytes())


def test_every_tokenizer_of_the_tests_writes_known_names(any_encoder: str) -> None:
    shim = encoder_of(initialized(pipeline(any_encoder, ["tagger"]))).shim
    files = srsly.msgpack_loads(shim.to_bytes())["encoder"]["tokenizer"]
    assert files.keys() <= NAMES
    shim.from_bytes(shim.to_bytes())


def test_sizes_beyond_what_the_bytes_can_fill_are_refused_before_memory_is_taken(bert: str) -> None:
    nlp = trained(bert, ["tagger"], steps=0)
    # 20 billion weights, of which the file has 60 thousand.
    data = with_encoder(nlp, config={"hidden_size": 20_000, "vocab_size": 1_000_000})
    with pytest.raises(ValueError, match="weights, expected at most 100,000,000"):
        encoder_of(nlp).shim.from_bytes(data)


@pytest.mark.parametrize("model_type", ["evil", "bert"])
def test_code_in_a_pipeline_is_never_run(bert: str, tmp_path: Path, model_type: str) -> None:
    """Whether its architecture is known, and then the code is of no use, or not."""
    nlp = trained(bert, ["tagger"], steps=0)
    mark = tmp_path / "mark"
    (tmp_path / "evil.py").write_text(EVIL.format(mark=str(mark)))
    auto_map = {
        key: f"{tmp_path}--{value}" for key, value in AUTO_MAP.items() if key != "AutoTokenizer"
    }
    settings = srsly.msgpack_loads(encoder_of(nlp).shim.to_bytes())["encoder"]["tokenizer"]
    tokenizer = json.loads(settings["tokenizer_config.json"])
    tokenizer["auto_map"] = {"AutoTokenizer": [f"{tmp_path}--evil.EvilTokenizer", None]}
    data = with_encoder(
        nlp,
        config={"model_type": model_type, "auto_map": auto_map},
        tokenizer={"tokenizer_config.json": json.dumps(tokenizer).encode()},
    )
    if model_type == "evil":
        with pytest.raises(EncoderError, match="nothing that comes with .* is run"):
            encoder_of(nlp).shim.from_bytes(data)
    else:
        encoder_of(nlp).shim.from_bytes(data)
        assert annotations([nlp(TEXTS[0])])
    assert not mark.exists()


def test_compiled_code_that_a_pipeline_names_is_never_fetched(bert: str) -> None:
    nlp = trained(bert, ["tagger"], steps=0)
    setting = "attn_implementation"
    for place, key in (("transformer_config", setting), ("config", f"_{setting}_internal")):
        message = srsly.msgpack_loads(encoder_of(nlp).shim.to_bytes())
        {**message, **message["encoder"]}[place][key] = "somebody/kernel"
        with pytest.raises(EncoderError, match='attn_implementation = "somebody/kernel"'):
            encoder_of(nlp).shim.from_bytes(srsly.msgpack_dumps(message))


def test_code_in_a_folder_is_never_run_and_nobody_is_asked(tmp_path: Path) -> None:
    folder = spoil(tiny_bert(tmp_path), tmp_path / "mark")
    for load in (lambda: load_encoder(folder, {}, {}), lambda: load_tokenizer(folder)):
        with pytest.raises(EncoderError, match="nothing that comes with .* is run.* on purpose"):
            load()
    with pytest.raises(EncoderError, match="on purpose"):
        initialized(load_model_from_config(config(folder), auto_fill=True))
    assert not (tmp_path / "mark").exists()


def test_a_folder_of_a_known_architecture_is_loaded_without_its_code(tmp_path: Path) -> None:
    folder = spoil(tiny_bert(tmp_path), tmp_path / "mark", model_type="bert")
    assert type(load_encoder(folder, {}, {}).transformer).__name__ == "BertModel"
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("key", ["tokenizer_config", "transformer_config"])
def test_no_setting_lets_code_run(bert: str, key: str) -> None:
    settings = {"tokenizer_config": {}, "transformer_config": {}, key: {"trust_remote_code": True}}
    with pytest.raises(EncoderError, match="trust_remote_code = true.* Fix: remove it"):
        load_encoder(bert, settings["tokenizer_config"], settings["transformer_config"])


def test_pipelines_loaded_at_once_leave_torch_as_it_was(bert: str) -> None:
    """transformers switches the random numbers of new weights off, and on again."""
    nlp = trained(bert, ["tagger"], steps=0)
    data, fill = nlp.to_bytes(), torch.nn.init.normal_
    with ThreadPoolExecutor(8) as pool:
        loads = pool.map(lambda _: load_model_from_config(nlp.config).from_bytes(data), range(16))
        expected = annotations(nlp.pipe(TEXTS))
        assert all(annotations(loaded.pipe(TEXTS)) == expected for loaded in loads)
    assert torch.nn.init.normal_ is fill
    layer = torch.nn.Linear(4, 4)
    assert float(layer.weight.detach().abs().max()) > 0


def test_nothing_goes_past_the_way_into_transformers() -> None:
    paths = [path for name in ("dlfa_spacy", "scripts") for path in (ROOT / name).rglob("*.py")]
    wrapper = ROOT / "dlfa_spacy/encoder/storage/huggingface.py"
    assert wrapper in paths
    found = re.compile(r"\bAuto\w+\.from_(pretrained|config)\(")
    direct = [path for path in paths if path != wrapper and found.search(path.read_text("utf-8"))]
    assert not direct
