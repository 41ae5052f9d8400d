"""What CONTRIBUTING.md says about a new aggregation is all that it takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from life import assert_same, initialized, listener, pipeline, reloaded, train
from places import ROOT
from spacy.language import Language
from spacy.util import registry
from thinc.api import Config

from dlfa_spacy import layer_weights
from dlfa_spacy.evaluation.model_info import model_info, variant
from dlfa_spacy.pipeline.inspection import named_aggregators

PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
NAME = "my_package.MaxLayers.v1"


@pytest.fixture(scope="module")
def block() -> dict[str, Any]:
    """The config of the page, with its code registered as its entry point would."""
    (code, entry) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert f"{NAME} = my_package.max_layers:build_max_layers_v1" in entry
    module: dict[str, Any] = {"__name__": "max_layers"}
    exec(code, module)
    registry.layers.register(NAME, func=module["build_max_layers_v1"])
    (text,) = re.findall(r"```ini\n(\[aggregation\].*?)```", PAGE, flags=re.DOTALL)
    found = dict(Config().from_str(text)["aggregation"])
    assert found["@layers"] == NAME
    # The encoder of the tests has four layers.
    return {**found, "layers": [1, 3]}


def new_pipeline(bert: str, block: dict[str, Any]) -> Language:
    return initialized(pipeline(bert, {"tagger": {**listener("last"), "aggregation": block}}))


def test_it_trains_and_comes_back_the_same(
    bert: str, block: dict[str, Any], tmp_path: Path
) -> None:
    nlp = new_pipeline(bert, block)
    ((_, module),) = named_aggregators(nlp)
    before = module.logits.detach().clone()  # type: ignore[operator]
    train(nlp, 2)
    assert not torch.equal(before, module.logits.detach())  # type: ignore[operator]
    assert_same(nlp, reloaded(nlp, tmp_path))


def test_tables_and_plots_know_its_name_and_its_weights(
    bert: str, block: dict[str, Any], tmp_path: Path
) -> None:
    nlp = new_pipeline(bert, block)
    assert variant(nlp) == "max"
    assert model_info(nlp)["aggregators"]["tagger"]["@layers"] == NAME
    assert layer_weights(nlp)["tagger"] == pytest.approx([0, 0.5, 0, 0.5, 0])
    train(nlp, 2)
    weights = layer_weights(nlp)["tagger"]
    assert sum(weights) == pytest.approx(1) and weights[1] != weights[3]
    assert layer_weights(reloaded(nlp, tmp_path))["tagger"] == pytest.approx(weights)
