"""What is wrong in a config is said at load or `initialize`: the key, the value and the fix."""

import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import requests
import spacy
import torch
import transformers
from life import (
    FACTORIES,
    TEXTS,
    config,
    encoder_block,
    examples,
    initialized,
    listener,
    stock_encoder_block,
    trained,
)
from spacy.util import load_model_from_config, registry
from thinc.api import Config


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A lookup of a name on the Hub is a bug here, even where it fails and is reported."""
    used: list[Any] = []

    def refuse(*args: Any, **kwargs: Any) -> None:
        used.append(args)
        raise OSError("the network was used")

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(transformers.utils.hub, "_is_offline_mode", False)
    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not used


def make_and_initialize(settings: Config) -> None:
    initialized(load_model_from_config(settings, auto_fill=True))


def assert_error(settings: Config, *words: str) -> None:
    with pytest.raises(ValueError) as caught:
        make_and_initialize(settings)
    for word in (*words, "Fix:"):
        assert word in str(caught.value)


def aggregation(bert: str, factory: str = "dlfa_transformer", **block: Any) -> Config:
    settings = config(bert, ["tagger"], factory=factory)
    settings["components"]["tagger"]["model"]["tok2vec"]["aggregation"] = {
        key.replace("layers_", "@layers"): value for key, value in block.items()
    }
    return settings


FUSION, MEAN = "dlfa_spacy.DoubleLayerFusion.v1", "dlfa_spacy.MeanLayers.v1"
MIX, ATTENTION = "dlfa_spacy.ScalarMix.v1", "dlfa_spacy.LayerAttention.v1"

WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (FUSION, {"layer": 7}, ("aggregation.layer", "7", "4 layers")),
    (FUSION, {"layer": -6}, ("aggregation.layer", "-6", "4 layers")),
    (FUSION, {"layer": "random"}, ("aggregation.layer", "random", "control")),
    (FUSION, {"gate": "softmax"}, ("aggregation.gate", "softmax", "product")),
    (FUSION, {"norm": "group"}, ("aggregation.norm", "group", "batch")),
    (FUSION, {"reduction": 0}, ("aggregation.reduction", "0", "width")),
    (FUSION, {"reduction": 33}, ("aggregation.reduction", "33", "32")),
    (FUSION, {"lr_scale": -1.0}, ("aggregation.lr_scale", "-1")),
    (MEAN, {"layers": [0, 5]}, ("aggregation.layers", "5", "4 layers")),
    (MEAN, {"layers": []}, ("aggregation.layers", "[]")),
    (MIX, {"dropout": 1.0}, ("aggregation.dropout", "1.0")),
    (MIX, {"dropout": -0.1}, ("aggregation.dropout", "-0.1")),
    (ATTENTION, {"dropout": 1.5}, ("aggregation.dropout", "1.5")),
    (ATTENTION, {"key_width": 0}, ("aggregation.key_width", "0")),
]


# What only an encoder can tell.
LATER = ({"layer": 7}, {"layer": -6}, {"reduction": 33}, {"layers": [0, 5]})


@pytest.mark.parametrize("name, block, words", WRONG)
def test_wrong_values_are_said_when_the_config_is_read(
    name: str, block: dict[str, Any], words: tuple[str, ...]
) -> None:
    config = {"aggregation": {"@layers": name, **block}}
    if block in LATER:
        assert registry.resolve(config)
        return
    with pytest.raises(ValueError) as caught:
        registry.resolve(config)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("name, block, words", WRONG)
def test_wrong_aggregation(
    bert: str, name: str, block: dict[str, Any], words: tuple[str, ...], factory: str
) -> None:
    assert_error(aggregation(bert, factory, layers_=name, **block), *words)


@pytest.mark.parametrize("factory", FACTORIES)
def test_layer_of_a_deeper_encoder(bert: str, factory: str) -> None:
    settings = aggregation(bert, factory, layers_=FUSION, layer=10)
    assert_error(settings, "aggregation.layer", "10", "4 layers", "deeper encoder")


def test_wrong_layer_of_an_encoder_inside_a_component(bert: str) -> None:
    block = encoder_block(bert)["model"]
    block["@architectures"] = "dlfa_spacy.Tok2VecTransformer.v1"
    block["aggregation"] = {"@layers": FUSION, "layer": 9}
    block["pooling"] = {"@layers": "reduce_mean.v1"}
    settings = config(bert, {"tagger": block})
    settings["nlp"]["pipeline"] = ["tagger"]
    del settings["components"]["transformer"]
    assert_error(settings, "aggregation.layer", "9", "4 layers")


def test_aggregation_that_is_none(bert: str) -> None:
    settings = aggregation(bert, layers_="reduce_mean.v1")
    assert_error(settings, "aggregation", "reduce_mean", "LayerAttention")


def test_stock_encoder_in_the_stock_factory(bert: str) -> None:
    settings = config(bert, ["tagger"])
    settings["components"]["transformer"] = stock_encoder_block(bert)
    assert_error(settings, "dlfa_spacy.TransformerModel.v1", "components.transformer.model")


def test_the_fix_for_a_stock_encoder_works_where_the_factory_filled_in_the_rest(
    bert: str, tmp_path: Path
) -> None:
    settings = config(bert, ["tagger"])
    model = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": bert}
    settings["components"]["transformer"] = {"factory": "transformer", "model": model}
    assert_error(settings, "change that line", "name must be given", "have defaults")
    model["@architectures"] = "dlfa_spacy.TransformerModel.v1"
    settings["components"]["transformer"] = {"factory": "transformer", "model": model}
    nlp = initialized(load_model_from_config(settings, auto_fill=True))
    expected = [token.tag_ for token in nlp(TEXTS[0])]
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.to_disk(tmp_path)
    assert [token.tag_ for token in spacy.load(tmp_path)(TEXTS[0])] == expected


def test_stock_encoder_in_our_factory(bert: str) -> None:
    settings = config(bert, ["tagger"])
    settings["components"]["transformer"] = stock_encoder_block(bert, "dlfa_transformer")
    assert_error(settings, "dlfa_spacy.TransformerModel.v1", "components.transformer.model")


def test_no_encoder(bert: str) -> None:
    settings = config(bert, ["tagger"])
    settings["nlp"]["pipeline"] = ["tagger"]
    del settings["components"]["transformer"]
    assert_error(settings, "no encoder", "dlfa_transformer")


def test_encoder_after_its_listener(bert: str) -> None:
    settings = config(bert, ["tagger"])
    settings["nlp"]["pipeline"] = ["tagger", "transformer"]
    assert_error(settings, "no encoder", "earlier")


def test_upstream_of_another_name(bert: str) -> None:
    settings = config(bert, {"tagger": listener(upstream="encoder")})
    assert_error(settings, "upstream")


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize(
    "name",
    ["assets/nope", "./nope", "/nowhere/at/all", "a/b/c", "~/nope-nope", "assets\\nope", "../nope"],
)
def test_missing_encoder_folder(
    bert: str, name: str, factory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assets").mkdir()
    settings = config(bert, ["tagger"], factory=factory)
    settings["components"]["transformer"]["model"]["name"] = name
    assert_error(settings, "[components.transformer.model] name", name, "no such folder")


def test_missing_encoder_folder_without_its_parent(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = config(bert, ["tagger"])
    settings["components"]["transformer"]["model"]["name"] = "assets/nope"
    assert_error(settings, "[components.transformer.model] name", "assets/nope", "no such folder")


def test_missing_folder_of_a_frozen_encoder(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = config(bert, ["tagger"])
    settings["components"]["transformer"]["model"]["name"] = "./nope"
    nlp = load_model_from_config(settings, auto_fill=True)
    with nlp.select_pipes(disable=["transformer"]), pytest.raises(ValueError, match="Fix:"):
        initialized(nlp)


def without_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def without_tokenizer(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()


def with_cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def with_missing_weight(folder: Path) -> None:
    change_weights(folder, lambda tensors: tensors.pop("encoder.layer.1.output.dense.weight"))


def with_misshapen_weight(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        key = "encoder.layer.1.output.dense.weight"
        tensors[key] = tensors[key][:, :-1].contiguous()

    change_weights(folder, change)


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def with_broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize(
    "damage",
    [
        without_config,
        without_weights,
        without_tokenizer,
        with_cut_weights,
        with_missing_weight,
        with_misshapen_weight,
        with_broken_config,
    ],
)
def test_damaged_encoder_folder(
    bert: str, tmp_path: Path, damage: Callable[[Path], None], factory: str
) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(bert, folder)
    damage(folder)
    settings = config(str(folder), ["tagger"], factory=factory)
    assert_error(settings, "[components.transformer.model] name", str(folder))


@pytest.mark.parametrize("window, stride", [(0, 0), (10, 0), (10, 11), (-1, -1)])
def test_wrong_windows(bert: str, window: int, stride: int) -> None:
    settings = config(bert, ["tagger"])
    getter = settings["components"]["transformer"]["model"]["get_spans"]
    getter.update(window=window, stride=stride)
    assert_error(settings, "get_spans", f"window = {window}", f"stride = {stride}")


def test_wrong_batch_size(bert: str) -> None:
    settings = config(bert, ["tagger"])
    settings["components"]["transformer"]["max_batch_items"] = 0
    assert_error(settings, "max_batch_items = 0")


@pytest.mark.parametrize("every", [0, -5])
def test_wrong_unfreezing(every: int) -> None:
    from dlfa_spacy.pipeline.callbacks import build_gradual_unfreezing_v1

    with pytest.raises(ValueError, match=f"every = {every}.*Fix:"):
        build_gradual_unfreezing_v1(every=every)


def test_layer_to_freeze_out_of_range(bert: str) -> None:
    settings = config(bert, ["tagger"])
    settings["initialize"] = {
        "after_init": {"@callbacks": "dlfa_spacy.freeze_layers.v1", "layers": [5]}
    }
    assert_error(settings, "after_init", "5", "4 layers")


def test_component_to_freeze_without_an_encoder(bert: str) -> None:
    settings = config(bert, ["tagger"])
    callback = {"@callbacks": "dlfa_spacy.freeze_layers.v1", "layers": [1], "component": "tagger"}
    settings["initialize"] = {"after_init": callback}
    assert_error(settings, '"tagger"')


def test_update_with_other_examples_than_the_encoder_saw(bert: str) -> None:
    nlp = trained(bert, ["tagger"])
    both = examples(nlp)
    nlp.get_pipe("transformer").update(both)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="Fix:"):
        nlp.get_pipe("tagger").update(both[:1])  # type: ignore[attr-defined]


def test_training_on_a_frozen_encoder_that_does_not_annotate(bert: str) -> None:
    nlp = trained(bert, ["tagger"])
    with pytest.raises(ValueError, match="annotating_components"):
        nlp.get_pipe("tagger").update(examples(nlp))  # type: ignore[attr-defined]
