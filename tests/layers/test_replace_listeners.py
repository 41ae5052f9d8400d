"""Listeners replaced by encoders of their own, and components that move between pipelines."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from life import (
    AGGREGATIONS,
    FACTORIES,
    TEXTS,
    annotations,
    assert_same,
    config,
    encoder_block,
    examples,
    head,
    initialized,
    listener,
    moved,
    parameters,
    pipeline,
    reloaded,
    stock_listener,
    train,
    trained,
    vectors,
)
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.util import dot_to_object, load_model_from_config
from thinc.api import Config

from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.pipeline.encoders import find_encoder


def replaced(nlp: Language, *names: str) -> Language:
    for name in names:
        nlp.replace_listeners("transformer", name, ["model.tok2vec"])
    return nlp


def copy_of(nlp: Language, folder: Path) -> Language:
    return reloaded(nlp, folder)


@pytest.mark.slow
@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("aggregation", [*AGGREGATIONS, "stock"])
def test_replaced_listener_predicts_saves_loads_and_trains(
    bert: str, tmp_path: Path, aggregation: str, factory: str
) -> None:
    block = stock_listener() if aggregation == "stock" else listener(aggregation)
    nlp = trained(bert, {"tagger": block, "textcat": block}, factory=factory)
    own = replaced(copy_of(nlp, tmp_path / "before"), "tagger", "textcat")
    assert own.get_pipe("transformer").listeners == []  # type: ignore[attr-defined]
    assert_same(nlp, own)
    loaded = reloaded(own, tmp_path / "after")
    assert_same(nlp, loaded)
    loaded.remove_pipe("transformer")
    assert_same(nlp, loaded)
    alone = reloaded(loaded, tmp_path / "alone")
    assert_same(nlp, alone)
    encoder = find_encoder(alone)
    assert encoder is not None
    before = {k: p.detach().clone().numpy() for k, p in encoder.transformer.named_parameters()}
    train(alone, 2)
    after = {k: p.detach().numpy() for k, p in encoder.transformer.named_parameters()}
    assert moved(before, after)


@pytest.mark.slow
@pytest.mark.parametrize("block", [listener("mix", grad_factor=0.5), stock_listener()])
def test_listener_inside_other_layers_is_replaced(
    bert: str, tmp_path: Path, block: dict[str, Any]
) -> None:
    path = "model.tok2vec.embed.*.listener"
    nlp = trained(bert, {"tagger": head(block), "ner": head(block)})
    assert_same(nlp, reloaded(nlp, tmp_path / "before"))
    own = reloaded(nlp, tmp_path / "before")
    for name in ("tagger", "ner"):
        own.replace_listeners("transformer", name, [path])
    assert_same(nlp, own)
    own.remove_pipe("transformer")
    loaded = reloaded(own, tmp_path / "after")
    assert_same(nlp, loaded)
    made = dot_to_object(loaded.get_pipe_config("tagger"), path)
    assert made["grad_factor"] == block.get("grad_factor", 1.0)
    encoder = find_encoder(loaded)
    assert encoder is not None
    before = {k: p.detach().numpy().copy() for k, p in encoder.transformer.named_parameters()}
    train(loaded, 2)
    assert moved(before, {k: p.detach().numpy() for k, p in encoder.transformer.named_parameters()})


def test_replaced_component_has_weights_of_its_own(bert: str) -> None:
    nlp = replaced(trained(bert, ["tagger", "ner"], "fusion"), "tagger")
    own = find_encoder_of(nlp, "tagger")
    before = parameters(nlp)
    own_before = {k: p.detach().numpy().copy() for k, p in own.transformer.named_parameters()}
    with nlp.select_pipes(enable="tagger"):
        train(nlp, 2)
    assert not moved(before, parameters(nlp))
    assert moved(own_before, {k: p.detach().numpy() for k, p in own.transformer.named_parameters()})


def find_encoder_of(nlp: Language, name: str) -> TransformerModel:
    model = nlp.get_pipe(name).model  # type: ignore[attr-defined]
    return next(node for node in model.walk() if isinstance(node, TransformerModel))


def test_other_listeners_are_untouched(bert: str, tmp_path: Path) -> None:
    blocks = {"tagger": stock_listener(), "ner": listener("attention"), "textcat": listener("mix")}
    nlp = trained(bert, blocks)
    own = replaced(copy_of(nlp, tmp_path / "a"), "ner")
    assert own.get_pipe("transformer").listening_components == ["tagger", "textcat"]  # type: ignore[attr-defined]
    assert_same(nlp, own)
    assert_same(nlp, reloaded(own, tmp_path / "b"))
    before = parameters(own)
    train(own, 2)
    assert moved(before, parameters(own))


def test_grad_factor_of_a_replaced_listener_is_kept(bert: str, tmp_path: Path) -> None:
    for block in (listener("attention", grad_factor=0.0), stock_listener(grad_factor=0.0)):
        folder = tmp_path / block["@architectures"]
        nlp = trained(bert, {"tagger": block})
        own = replaced(nlp, "tagger")
        own.remove_pipe("transformer")
        for pipe in (own, reloaded(own, folder)):
            encoder = find_encoder_of(pipe, "tagger")
            before = {
                k: p.detach().numpy().copy() for k, p in encoder.transformer.named_parameters()
            }
            optimizer = pipe.resume_training()
            # A gradient of zeros, which a stock listener sends, still decays the weights.
            optimizer.L2 = 0.0
            train(pipe, 2, optimizer)
            after = {k: p.detach().numpy() for k, p in encoder.transformer.named_parameters()}
            assert not moved(before, after)


@pytest.mark.parametrize("block", [listener("fusion"), stock_listener()])
def test_replace_before_initialize(bert: str, tmp_path: Path, block: dict[str, Any]) -> None:
    nlp = replaced(pipeline(bert, {"tagger": block}), "tagger")
    nlp.remove_pipe("transformer")
    initialized(nlp, 2)
    assert_same(nlp, reloaded(nlp, tmp_path))


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_inline_encoder_from_a_config(bert: str, tmp_path: Path, aggregation: str) -> None:
    block = encoder_block(bert)["model"]
    block["@architectures"] = "dlfa_spacy.Tok2VecTransformer.v1"
    block["aggregation"] = AGGREGATIONS[aggregation]
    block["pooling"] = {"@layers": "reduce_mean.v1"}
    settings = config(bert, {"tagger": block, "ner": block})
    settings["nlp"]["pipeline"] = ["tagger", "ner"]
    del settings["components"]["transformer"]
    nlp = initialized(load_model_from_config(settings, auto_fill=True))
    encoder = find_encoder(nlp)
    assert encoder is not None
    before = {k: p.detach().numpy().copy() for k, p in encoder.transformer.named_parameters()}
    train(nlp, 2)
    assert moved(before, {k: p.detach().numpy() for k, p in encoder.transformer.named_parameters()})
    assert_same(nlp, reloaded(nlp, tmp_path))


@pytest.mark.parametrize("factory", FACTORIES)
def test_add_pipe_from_a_source(bert: str, factory: str) -> None:
    source = trained(bert, ["tagger", "ner"], factory=factory)
    nlp = spacy.blank("xx")
    for name in ("transformer", "tagger", "ner"):
        nlp.add_pipe(name, source=source)
    assert_same(source, nlp)


def test_sourced_with_replaced_listeners(bert: str) -> None:
    source = trained(bert, ["tagger", "ner"])
    expected = list(source.pipe(TEXTS))
    replaced(source, "ner")
    nlp = spacy.blank("xx")
    nlp.add_pipe("ner", source=source)
    found = list(nlp.pipe(TEXTS))
    assert [d.to_json().get("ents") for d in expected] == [d.to_json().get("ents") for d in found]


@pytest.mark.slow
def test_config_source_with_replaced_listeners(bert: str, tmp_path: Path) -> None:
    source = trained(bert, ["tagger", "ner"], "attention")
    source.to_disk(tmp_path / "source")
    settings = config(bert, ["textcat"], "fusion")
    settings["nlp"]["pipeline"] = ["transformer", "ner", "textcat"]
    settings["components"]["ner"] = {
        "source": str(tmp_path / "source"),
        "replace_listeners": ["model.tok2vec"],
    }
    nlp = load_model_from_config(settings, auto_fill=True)
    with nlp.select_pipes(disable=["ner"]):
        initialized(nlp, 2)
    expected, found = list(source.pipe(TEXTS)), list(nlp.pipe(TEXTS))
    assert [[e.label_ for e in d.ents] for d in expected] == [
        [e.label_ for e in d.ents] for d in found
    ]
    read, other = vectors(source, expected)["ner"], vectors(nlp, found)["ner"]
    for array, other_array in zip(read, other, strict=True):
        assert_allclose(array, other_array, atol=1e-5)
    assert_same(nlp, reloaded(nlp, tmp_path / "own"))


def test_config_source_of_encoder_and_component(bert: str, tmp_path: Path) -> None:
    source = trained(bert, ["tagger"], "attention")
    source.to_disk(tmp_path)
    names = {name: {"source": str(tmp_path)} for name in ("transformer", "tagger")}
    settings = Config(
        {"nlp": {"lang": "xx", "pipeline": ["transformer", "tagger"]}, "components": names}
    )
    nlp = load_model_from_config(settings, auto_fill=True)
    assert_same(source, nlp)


@pytest.mark.parametrize("factory", FACTORIES)
def test_component_added_to_a_pipeline_that_has_the_encoder(
    bert: str, tmp_path: Path, factory: str
) -> None:
    nlp = trained(bert, ["tagger"], "attention", factory)
    tags = annotations(nlp.pipe(TEXTS))
    nlp.add_pipe("ner", config={"model": config(bert, ["ner"])["components"]["ner"]["model"]})
    ner = nlp.get_pipe("ner")
    ner.initialize(lambda: examples(nlp), nlp=nlp)  # type: ignore[attr-defined]
    with nlp.select_pipes(disable=["ner"]):
        assert annotations(nlp.pipe(TEXTS)) == tags
    before = parameters(nlp)
    train(nlp, 2)
    assert moved(before, parameters(nlp))
    assert_same(nlp, reloaded(nlp, tmp_path))


def test_component_sourced_from_a_pipeline_with_an_equal_encoder(bert: str, tmp_path: Path) -> None:
    one = trained(bert, ["tagger", "ner"], "attention")
    two = reloaded(one, tmp_path)
    two.remove_pipe("ner")
    two.add_pipe("ner", source=one)
    assert_same(one, two)


def test_component_moved_before_another(bert: str) -> None:
    nlp = trained(bert, ["tagger"], "attention")
    block = config(bert, ["textcat"], "fusion")["components"]["textcat"]["model"]
    nlp.add_pipe("textcat", before="tagger", config={"model": block})
    nlp.get_pipe("textcat").initialize(lambda: examples(nlp), nlp=nlp)  # type: ignore[attr-defined]
    before = parameters(nlp)
    train(nlp, 3)
    assert moved(before, parameters(nlp))


def test_copy_of_the_encoder_is_ours(bert: str) -> None:
    nlp = trained(bert)
    model = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    copied = model.copy()
    assert type(copied) is TransformerModel
    assert copied.id != model.id
    docs = [nlp.make_doc(text) for text in TEXTS]
    for layer in range(5):
        a, b = model.encode(docs, [layer]).states[layer], copied.encode(docs, [layer]).states[layer]
        assert_allclose(a.numpy(), b.numpy(), atol=1e-6)
