"""Every stock component can listen, in both factories, and comes back from disk as it was."""

from pathlib import Path

import pytest
from life import (
    AGGREGATIONS,
    FACTORIES,
    assert_same,
    initialized,
    moved,
    parameters,
    pipeline,
    reloaded,
    train,
    trained,
)

COMPONENTS = [
    "ner",
    "tagger",
    "morphologizer",
    "parser",
    "spancat",
    "textcat",
    "textcat_ensemble",
    "senter",
]


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("name", COMPONENTS)
def test_component_trains_through_the_encoder_and_reloads(
    bert: str, tmp_path: Path, name: str, factory: str
) -> None:
    nlp = initialized(pipeline(bert, [name], "attention", factory))
    before = parameters(nlp)
    losses = train(nlp, 2)
    assert losses[name] > 0
    assert len(moved(before, parameters(nlp))) > 0.8 * len(before)
    assert_same(nlp, reloaded(nlp, tmp_path))


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_aggregation_trains_and_reloads(
    bert: str, tmp_path: Path, aggregation: str, factory: str
) -> None:
    nlp = trained(bert, ["tagger", "textcat"], aggregation, factory)
    assert_same(nlp, reloaded(nlp, tmp_path))


def test_all_components_share_an_encoder(bert: str, tmp_path: Path) -> None:
    names = [name for name in COMPONENTS if name not in ("textcat_ensemble", "senter")]
    nlp = trained(bert, names)
    assert_same(nlp, reloaded(nlp, tmp_path))


@pytest.mark.parametrize("factory", FACTORIES)
def test_loaded_pipeline_trains_on(bert: str, tmp_path: Path, factory: str) -> None:
    nlp = reloaded(trained(bert, ["tagger", "ner"], factory=factory), tmp_path)
    before = parameters(nlp)
    losses = train(nlp, 2)
    assert losses["tagger"] > 0
    assert moved(before, parameters(nlp))
