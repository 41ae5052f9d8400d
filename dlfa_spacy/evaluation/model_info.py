"""What a pipeline says about itself, for the record beside its scores."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from spacy.util import walk_dict
from thinc.api import Model

from ..aggregators.shim import AggregatorShim
from ..pipeline.inspection import layer_weights
from ..pipeline.readers import aggregation_blocks


def aggregators(nlp: Language) -> dict[str, dict[str, Any]]:
    """Find the layer aggregators in a pipeline's config.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, Dict[str, Any]]): Config block of the aggregator by component name.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in nlp.pipe_names:
        for block in aggregation_blocks(nlp.config["components"].get(name)):
            found.setdefault(name, dict(block))
    return found


def encoder_name(nlp: Language) -> str | None:
    """Find the encoder's name or path in a pipeline's config.

    nlp (Language): The pipeline.
    RETURNS (Optional[str]): The `name` of the transformer model, if the config has one; of an
        absolute path the last part.
    """
    values = {tuple(path): value for path, value in walk_dict(nlp.config["components"])}
    for path, value in values.items():
        if path[-1] == "@architectures" and "TransformerModel" in str(value):
            name = str(values.get((*path[:-1], "name")) or "")
            if name:
                # An absolute path would carry the layout of one machine into published tables.
                return Path(name).name if Path(name).is_absolute() else name
    return None


def variant(nlp: Language) -> str:
    """Name the method of a pipeline after its aggregators.

    nlp (Language): The pipeline.
    RETURNS (str): The short names of its aggregators (`last`, `attention`, `scalar-mix`, `mean`,
        `dlfa-product`, `control-sigmoid`; with a layer other than the default one behind it,
        `dlfa-product@-5`, or those that `dlfa optimize` left, `scalar-mix@4,6,8`); several joined
        by `+`; `other` without an aggregator of ours.
    """
    names = {
        shim.variant
        for _, component in nlp.pipeline
        if isinstance(model := getattr(component, "model", None), Model)
        for node in model.walk()
        for shim in node.shims
        if isinstance(shim, AggregatorShim)
    }
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
    return {
        "name": nlp.meta.get("name", ""),
        "lang": nlp.meta.get("lang", ""),
        "version": nlp.meta.get("version", ""),
        "description": nlp.meta.get("description", ""),
        "pipeline": list(nlp.pipe_names),
        "encoder": encoder_name(nlp),
        "aggregators": aggregators(nlp),
        "layer_weights": layer_weights(nlp),
        "spacy_version": spacy.__version__,
    }
