"""What a pipeline says about itself, for the record beside its scores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

_LAYERS = {
    "dlfa_spacy.LastLayer.v1": "last",
    "dlfa_spacy.LayerAttention.v1": "attention",
    "dlfa_spacy.ScalarMix.v1": "scalar-mix",
    "dlfa_spacy.MeanLayers.v1": "mean",
    "dlfa_spacy.DoubleLayerFusion.v1": "dlfa",
}
_DEFAULT_DLFA_LAYER = -3


def _blocks(config: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(config, Mapping):
        yield config
        for value in config.values():
            yield from _blocks(value)


def aggregators(nlp: Language) -> dict[str, dict[str, Any]]:
    """Find the layer aggregators in a pipeline's config.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, Dict[str, Any]]): Config block of the aggregator by component name.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, component in nlp.config["components"].items():
        for block in _blocks(component):
            if name in nlp.pipe_names and block.get("@layers") in _LAYERS:
                found[name] = dict(block)
    return found


def encoder_name(nlp: Language) -> str | None:
    """Find the encoder's name or path in a pipeline's config.

    nlp (Language): The pipeline.
    RETURNS (Optional[str]): The `name` of the transformer model, if the config has one; of an
        absolute path the last part.
    """
    for component in nlp.config["components"].values():
        for block in _blocks(component):
            if "TransformerModel" in str(block.get("@architectures")) and block.get("name"):
                name = str(block["name"])
                # An absolute path would carry the layout of one machine into published tables.
                return Path(name).name if Path(name).is_absolute() else name
    return None


def variant(nlp: Language) -> str:
    """Name the method of a pipeline after its aggregators.

    nlp (Language): The pipeline.
    RETURNS (str): `last`, `attention`, `scalar-mix`, `mean`, `dlfa-product`, `dlfa-sigmoid`,
        `control` or `control-sigmoid`; with a layer other than the default one behind it
        (`dlfa-product@-5`); several joined by `+`; `other` without an aggregator of ours.
    """
    names = set()
    for block in aggregators(nlp).values():
        name = _LAYERS[block["@layers"]]
        if name == "dlfa":
            gate = block.get("gate", "product")
            layer = block.get("layer", _DEFAULT_DLFA_LAYER)
            if layer == "control":
                name = "control" if gate == "product" else f"control-{gate}"
            else:
                name = f"dlfa-{gate}"
                if layer != _DEFAULT_DLFA_LAYER:
                    name += f"@{layer}"
        names.add(name)
    return "+".join(sorted(names)) or "other"


def training_seed(nlp: Language) -> int | None:
    """Find the seed of training in a pipeline's config.

    nlp (Language): The pipeline.
    RETURNS (Optional[int]): `training.seed`, references such as `${system.seed}` followed.
    """
    value: Any = nlp.config.get("training", {}).get("seed")
    reference = re.fullmatch(r"\$\{([\w.]+)\}", value) if isinstance(value, str) else None
    if reference is not None:
        value = nlp.config
        for key in reference.group(1).split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, int) else None


def model_info(nlp: Language) -> dict[str, Any]:
    """Describe a pipeline.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, Any]): Name, language, version, components, encoder, aggregators, the weight
        of each layer where the aggregator has one, versions.
    """
    blocks = aggregators(nlp)
    weights: dict[str, list[float]] = {}
    if blocks:
        from ..inspection import layer_weights

        weights = layer_weights(nlp)
    return {
        "name": nlp.meta.get("name", ""),
        "lang": nlp.meta.get("lang", ""),
        "version": nlp.meta.get("version", ""),
        "description": nlp.meta.get("description", ""),
        "pipeline": list(nlp.pipe_names),
        "encoder": encoder_name(nlp),
        "aggregators": blocks,
        "layer_weights": weights,
        "spacy_version": spacy.__version__,
    }
