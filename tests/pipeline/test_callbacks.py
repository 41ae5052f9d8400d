"""Frozen layers: exactly the weights named stay, and exactly the others move."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from life import (
    FACTORIES,
    config,
    examples,
    gold_docs,
    in_layer,
    initialized,
    moved,
    parameters,
    pipeline,
    train,
    trained,
)
from spacy.cli.init_config import fill_config
from spacy.cli.train import train as spacy_train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.util import fix_random_seed, load_model_from_config

from dlfa_spacy.pipeline.callbacks import build_freeze_layers_v1, build_gradual_unfreezing_v1


def frozen_pipeline(folder: str, factory: str = "dlfa_transformer", **callback: Any) -> Language:
    settings = config(folder, ["tagger", "ner"], "attention", factory)
    block = {"@callbacks": "dlfa_spacy.freeze_layers.v1", **callback}
    settings["initialize"] = {"after_init": block}
    return initialized(load_model_from_config(settings, auto_fill=True))


CASES: list[tuple[dict[str, Any], set[int]]] = [
    ({"layers": [1, 2]}, {0, 1, 2}),
    ({"layers": [1, 2], "embeddings": False}, {1, 2}),
    ({"layers": [-1], "embeddings": False}, {4}),
    ({"layers": [3]}, {0, 3}),
    ({"layers": [0], "embeddings": False}, {0}),
    ({"layers": [1, 2, 3, 4]}, {0, 1, 2, 3, 4}),
    ({}, {0}),
    ({"layers": [], "embeddings": True}, {0}),
    ({"layers": [], "embeddings": False}, set()),
]


def assert_moved(folder: str, before: Any, after: Any, frozen: set[int]) -> None:
    changed = moved(before, after)
    for layer in range(5):
        own = {name for name in before if in_layer(folder, name, layer)}
        assert own, layer
        if layer in frozen:
            assert not own & changed, layer
        else:
            assert len(own & changed) > 0.7 * len(own), layer


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("callback, frozen", CASES)
def test_frozen_layers_stay(
    bert: str, factory: str, callback: dict[str, Any], frozen: set[int]
) -> None:
    nlp = frozen_pipeline(bert, factory, **callback)
    before = parameters(nlp)
    train(nlp, 2)
    assert_moved(bert, before, parameters(nlp), frozen)


def test_frozen_layers_of_every_encoder(any_encoder: str) -> None:
    nlp = frozen_pipeline(any_encoder, layers=[1, 2])
    before = parameters(nlp)
    train(nlp, 2)
    assert_moved(any_encoder, before, parameters(nlp), {0, 1, 2})


def test_each_layer_trains_at_its_rate(bert: str) -> None:
    def steps(**rates: float) -> dict[str, Any]:
        nlp = frozen_pipeline(bert, embeddings=False, **rates)
        before = parameters(nlp)
        fix_random_seed(0)
        train(nlp, 1)
        return {name: after - before[name] for name, after in parameters(nlp).items()}

    plain, slow, slower_below = steps(), steps(lr_scale=0.1), steps(lr_scale=0.5, lr_decay=0.5)
    for layer in range(5):
        own = [n for n in plain if in_layer(bert, n, layer) and abs(plain[n]).max() > 0]
        assert own
        for name in own:
            # The first step of Adam is as long as its rate, whatever the gradient.
            assert slow[name] == pytest.approx(0.1 * plain[name], rel=1e-3, abs=1e-6)
            rate = 0.5 * 0.5 ** (4 - layer)
            assert slower_below[name] == pytest.approx(rate * plain[name], rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("wrong", [{"lr_scale": 0.0}, {"lr_decay": -1.0}])
def test_a_rate_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=rf"\[initialize.after_init\] {name} = .*Fix"):
        build_freeze_layers_v1(**wrong)


def test_freezing_leaves_the_aggregation_alone(bert: str) -> None:
    from dlfa_spacy.pipeline.inspection import aggregators_of

    nlp = frozen_pipeline(bert, layers=[1, 2, 3, 4])
    (module,) = aggregators_of(nlp.get_pipe("tagger").model)  # type: ignore[attr-defined]
    before = {k: p.detach().numpy().copy() for k, p in module.named_parameters()}
    train(nlp, 3)
    assert moved(before, {k: p.detach().numpy() for k, p in module.named_parameters()})


@pytest.mark.parametrize("factory", FACTORIES)
def test_layers_are_set_free_from_the_top(bert: str, factory: str) -> None:
    nlp = initialized(pipeline(bert, ["tagger", "ner"], "attention", factory))
    callback = build_gradual_unfreezing_v1(start=2, every=3)
    optimizer = nlp.resume_training()
    free = {0: 0, 1: 0, 2: 1, 4: 1, 5: 2, 8: 3, 11: 4, 13: 4, 14: 5, 99: 5}
    for step, number in free.items():
        callback(nlp, {"step": step, "epoch": 0})
        before = parameters(nlp)
        nlp.update(examples(nlp), sgd=optimizer)
        assert_moved(bert, before, parameters(nlp), set(range(5 - number)))


def test_gradual_unfreezing_in_spacy_train(bert: str, tmp_path: Path) -> None:
    DocBin(docs=gold_docs(spacy.blank("xx"))).to_disk(tmp_path / "corpus.spacy")
    reader = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "corpus.spacy")}
    settings = config(bert, ["tagger"], "attention")
    settings["corpora"] = {"train": dict(reader), "dev": dict(reader)}
    callback = {"@callbacks": "dlfa_spacy.gradual_unfreezing.v1", "start": 0, "every": 2}
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": 1e-3}
    settings["training"] = {
        "max_steps": 4,
        "eval_frequency": 2,
        "before_update": callback,
        "optimizer": optimizer,
    }
    settings.to_disk(tmp_path / "config.cfg")
    fill_config(tmp_path / "filled.cfg", tmp_path / "config.cfg")
    spacy_train(tmp_path / "filled.cfg", tmp_path / "out")
    nlp = spacy.load(tmp_path / "out" / "model-last")
    fresh = pipeline(bert)
    fresh.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    # spaCy counts steps from 0 to max_steps: the last update is the fifth.
    assert_moved(bert, parameters(fresh), parameters(nlp), {0, 1})


def test_a_loaded_pipeline_is_frozen_no_more(bert: str, tmp_path: Path) -> None:
    nlp = frozen_pipeline(bert, layers=[1, 2])
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    before = parameters(loaded)
    train(loaded, 2)
    assert_moved(bert, before, parameters(loaded), set())


def test_freezing_needs_an_encoder_with_layers(bert: str) -> None:
    nlp = trained(bert, ["tagger"])
    callback = build_gradual_unfreezing_v1(component="tagger")
    with pytest.raises(ValueError, match='(?s)"tagger".*Fix:'):
        callback(nlp, {"step": 0})
