"""RANDOM-INIT: exactly the blocks named become random, as BERT's were, and stay so."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from life import FACTORIES, config, in_layer, initialized, moved, parameters, pipeline, train
from spacy.language import Language
from spacy.util import load_model_from_config
from tiny import tiny_bert

from dlfa_spacy.pipeline.callbacks import build_reinit_layers_v1
from dlfa_spacy.pipeline.encoders import find_encoder


def reinit_pipeline(
    folder: str, factory: str = "dlfa_transformer", when: str = "before_init", **callback: Any
) -> Language:
    settings = config(folder, ["tagger"], "attention", factory)
    block = {"@callbacks": "dlfa_spacy.reinit_layers.v1", **callback}
    settings["initialize"] = {when: block}
    return initialized(load_model_from_config(settings, auto_fill=True))


def pretrained(folder: str) -> dict[str, numpy.ndarray]:
    nlp = pipeline(folder)
    nlp.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    return parameters(nlp)


def of_layers(folder: str, names: Any, layers: set[int]) -> set[str]:
    return {name for name in names if any(in_layer(folder, name, layer) for layer in layers)}


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("when", ["before_init", "after_init"])
@pytest.mark.parametrize("layers, found", [([1, 2], {1, 2}), ([-1], {4}), ([], set())])
def test_exactly_the_tensors_of_these_blocks_change(
    tmp_path: Path, factory: str, when: str, layers: list[int], found: set[int]
) -> None:
    # A checkpoint whose norms and biases have moved, as pretraining moves them.
    folder = tiny_bert(tmp_path)
    nlp = pipeline(folder)
    nlp.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    transformer = nlp.get_pipe("transformer").model.transformer  # type: ignore[attr-defined]
    with torch.no_grad():
        for parameter in transformer.parameters():
            parameter += 0.05 * torch.randn(parameter.shape)
    transformer.save_pretrained(folder)
    before = pretrained(folder)
    after = parameters(reinit_pipeline(folder, factory, when, layers=layers))
    changed = moved(before, after)
    assert changed == of_layers(folder, before, found)
    assert len(changed) == 16 * len(found)


def test_every_kind_of_encoder(any_encoder: str) -> None:
    before = pretrained(any_encoder)
    changed = moved(before, parameters(reinit_pipeline(any_encoder, layers=[3])))
    own = of_layers(any_encoder, before, {3})
    # Norms and biases of a fresh encoder already have the values they would be given.
    assert changed == {name for name in own if before[name].ndim > 1}


def test_values_are_those_of_berts_initialisation(tmp_path: Path) -> None:
    sizes = {"hidden_size": 96, "intermediate_size": 192, "initializer_range": 0.07}
    weights = parameters(reinit_pipeline(tiny_bert(tmp_path, **sizes), layers=[2], seed=5))
    for name, weight in weights.items():
        if "encoder.layer.1." not in name:
            continue
        if weight.ndim > 1:
            assert abs(weight.std() - 0.07) < 0.004 and abs(weight.mean()) < 0.004
        else:
            assert (weight == (0.0 if name.endswith("bias") else 1.0)).all()


def test_the_seed_decides_and_nothing_else_does(bert: str) -> None:
    torch.manual_seed(1)
    one = parameters(reinit_pipeline(bert, layers=[1, 2], seed=3))
    torch.manual_seed(2)
    same = parameters(reinit_pipeline(bert, layers=[2, 1], seed=3))
    assert not moved(one, same)
    other = parameters(reinit_pipeline(bert, layers=[1, 2], seed=4))
    matrices = {n for n in of_layers(bert, one, {1, 2}) if one[n].ndim > 1}
    assert moved(one, other) == matrices
    alone = parameters(reinit_pipeline(bert, layers=[1], seed=3))
    assert not moved(one, alone) & of_layers(bert, one, {1})
    first, second = (
        one["encoder.layer.0.output.dense.weight"],
        one["encoder.layer.1.output.dense.weight"],
    )
    assert abs(numpy.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1


def test_drawing_leaves_torchs_own_random_numbers_alone(bert: str) -> None:
    nlp = pipeline(bert)
    nlp.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    state = torch.get_rng_state()
    build_reinit_layers_v1([1, 2])(nlp)
    assert torch.equal(state, torch.get_rng_state())


def test_the_blocks_train_and_survive_saving(bert: str, tmp_path: Path) -> None:
    nlp = reinit_pipeline(bert, layers=[3, 4])
    drawn = parameters(nlp)
    nlp.to_disk(tmp_path)
    loaded = spacy.load(tmp_path)
    assert not moved(drawn, parameters(loaded))
    train(loaded, 2)
    own = of_layers(bert, drawn, {3, 4})
    assert len(moved(drawn, parameters(loaded)) & own) > 0.7 * len(own)


def test_a_component_with_an_encoder_of_its_own(bert: str) -> None:
    nlp = initialized(pipeline(bert, ["tagger"]))
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    encoder = find_encoder(nlp)
    assert encoder is not None
    before = {k: v.clone() for k, v in encoder.transformer.state_dict().items()}
    build_reinit_layers_v1([1], component="tagger")(nlp)
    changed = {
        k for k, v in encoder.transformer.state_dict().items() if not torch.equal(v, before[k])
    }
    assert changed and all(name.startswith("encoder.layer.0.") for name in changed)


@pytest.mark.parametrize("layers", [[0], [5], [-6]])
def test_a_layer_that_is_no_block_is_refused(bert: str, layers: list[int]) -> None:
    with pytest.raises(ValueError, match="(?s)layers.*Fix:"):
        reinit_pipeline(bert, layers=layers)


def test_a_component_without_an_encoder_is_refused(bert: str) -> None:
    nlp = initialized(pipeline(bert, ["tagger"]))
    with pytest.raises(ValueError, match='(?s)"tagger".*Fix:'):
        build_reinit_layers_v1([1], component="tagger")(nlp)
