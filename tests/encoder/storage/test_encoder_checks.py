"""Encoders that cannot be right: an error before memory is taken or vectors are worthless."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
import spacy
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from dlfa_spacy.encoder.storage.checks import check_component_config, check_config, check_weights
from dlfa_spacy.encoder.storage.loading import load_encoder, load_tokenizer


def copy(encoder: str, folder: Path, **changes: Any) -> Path:
    shutil.copytree(encoder, folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 10**6),
        ("num_hidden_layers", -1),
        ("num_hidden_layers", "a"),
        ("num_hidden_layers", [1]),
        ("num_hidden_layers", True),
        ("num_attention_heads", 0),
        ("hidden_size", 10**6),
        ("intermediate_size", 10**9),
        ("vocab_size", 10**10),
        ("max_position_embeddings", 10**9),
        ("type_vocab_size", 10**9),
    ],
)
def test_a_size_that_no_encoder_has_is_refused_at_once(
    bert: str, tmp_path: Path, key: str, value: Any
) -> None:
    folder = copy(bert, tmp_path / "bert", **{key: value})
    start = time.process_time()
    with pytest.raises(ValueError, match=f"config.json: {key} = .*expected a whole number from"):
        load_encoder(str(folder), {}, {})
    assert time.process_time() - start < 2


def test_sizes_that_are_too_large_together_are_refused(any_encoder: str) -> None:
    config = AutoConfig.from_pretrained(any_encoder)
    check_config(config)
    config.num_hidden_layers, config.hidden_size, config.vocab_size = 900, 90_000, 1_000_000
    with pytest.raises(ValueError, match="num_hidden_layers = 900.*weights, expected at most"):
        check_config(config)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_that_is_no_number_is_named(bert: str, tmp_path: Path, value: float) -> None:
    folder = copy(bert, tmp_path / "bert")
    path = folder / "model.safetensors"
    weights = load_file(path)
    name = "encoder.layer.1.output.dense.weight"
    weights[name][3, 5] = value
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f'the weight "{name}" has values that are no finite'):
        load_encoder(str(folder), {}, {})


def test_half_floats_and_counts_are_no_trouble() -> None:
    module = torch.nn.BatchNorm1d(2).half()
    check_weights(module)
    module.running_mean[1] = float("inf")
    with pytest.raises(ValueError, match="running_mean"):
        check_weights(module)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[1]", "cannot be read .found a list"),
        (b'{"max_batch_items": -3}', "max_batch_items = -3, expected a whole number from 1"),
        (b'{"max_batch_items": "a"}', "max_batch_items = a"),
        (b'{"max_batch_items": NaN}', "max_batch_items = nan"),
    ],
)
def test_a_damaged_component_config_is_named(tmp_path: Path, text: bytes, message: str) -> None:
    path = tmp_path / "cfg"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=f"cfg: {message}"):
        check_component_config(path)
    path.write_text('{"max_batch_items": null}')
    assert check_component_config(path) == {"max_batch_items": None}


def test_a_saved_pipeline_with_weights_that_are_no_numbers_is_refused(
    bert: str, tmp_path: Path
) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("dlfa_transformer", name="transformer", config={"model": {"name": bert}})
    nlp.initialize()
    nlp.to_disk(tmp_path / "whole")
    with torch.no_grad():
        next(nlp.get_pipe("transformer").model.transformer.parameters())[0] = float("nan")
    nlp.to_disk(tmp_path / "nan")
    with pytest.raises(ValueError, match="no finite numbers"):
        spacy.load(tmp_path / "nan")
    (tmp_path / "whole" / "transformer" / "cfg").write_text('{"max_batch_items": -3}')
    with pytest.raises(ValueError, match=r"cfg: max_batch_items = -3.*Fix"):
        spacy.load(tmp_path / "whole")


@pytest.mark.parametrize("load", [load_tokenizer, lambda name: load_encoder(name, {}, {})])
def test_a_misspelt_name_costs_one_question_to_a_hub_that_is_out_of_reach(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(session: Any, method: str, url: str, **settings: Any) -> None:
        asked.append(url)
        raise requests.exceptions.ConnectionError("no network")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transformers.utils.hub, "_is_offline_mode", False)
    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(ValueError, match='"my-encodr": there is no such folder.*Fix:'):
        load("my-encodr")
    assert len(asked) == 1
