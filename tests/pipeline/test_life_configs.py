"""Configs: filled, debugged, trained with `spacy train`, with frozen and annotating encoders."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy
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
    gold_docs,
    listener,
    moved,
    parameters,
    pipeline,
    stock_listener,
    trained,
    vectors,
)
from spacy.cli.debug_config import debug_config
from spacy.cli.init_config import fill_config
from spacy.cli.train import train
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config, load_model_from_config
from thinc.api import Config


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.spacy"
    DocBin(docs=gold_docs(spacy.blank("xx")) * 4, store_user_data=True).to_disk(path)
    return path


def training_config(settings: Config, corpus: Path, **training: Any) -> Config:
    reader = {"@readers": "spacy.Corpus.v1", "path": str(corpus)}
    settings = Config(settings)
    settings["corpora"] = {"train": dict(reader), "dev": dict(reader)}
    settings["training"] = {
        "max_steps": 4,
        "eval_frequency": 2,
        "dev_corpus": "corpora.dev",
        "train_corpus": "corpora.train",
        "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 1e-3},
        **training,
    }
    return settings


def write(settings: Config, folder: Path) -> Path:
    path = folder / "config.cfg"
    settings.to_disk(path)
    return path


def filled(settings: Config, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    fill_config(folder / "filled.cfg", write(settings, folder))
    return folder / "filled.cfg"


def run_train(settings: Config, folder: Path) -> Language:
    train(filled(settings, folder), folder / "out")
    return spacy.load(folder / "out" / "model-last")


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_config_survives_filling(bert: str, tmp_path: Path, aggregation: str, factory: str) -> None:
    settings = config(bert, ["tagger"], aggregation, factory)
    path = write(settings, tmp_path)
    fill_config(tmp_path / "filled.cfg", path)
    filled = load_config(tmp_path / "filled.cfg")
    fill_config(tmp_path / "again.cfg", tmp_path / "filled.cfg")
    assert filled == load_config(tmp_path / "again.cfg")
    block = filled["components"]["tagger"]["model"]["tok2vec"]
    given = settings["components"]["tagger"]["model"]["tok2vec"]
    assert block["grad_factor"] == 1.0
    assert block["upstream"] == "*"
    assert "lr_scale" in block["aggregation"]
    assert given["aggregation"].items() <= block["aggregation"].items()
    nlp = load_model_from_config(filled, auto_fill=False)
    assert nlp.config["components"] == filled["components"]


def test_config_holds_no_path_but_the_users(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger", "ner"])
    nlp.to_disk(tmp_path / "model")
    text = (tmp_path / "model" / "config.cfg").read_text(encoding="utf-8")
    assert bert in text
    assert "/" not in text.replace(bert, "")
    weights = (tmp_path / "model" / "transformer" / "model").read_bytes()
    # The config names the folder; the weights need not.
    assert weights.count(bert.encode()) <= 1


def test_debug_config(bert: str, corpus: Path, tmp_path: Path) -> None:
    path = write(training_config(config(bert, ["tagger", "ner"]), corpus), tmp_path)
    output = io.StringIO()
    fill_config(tmp_path / "filled.cfg", path)
    with redirect_stdout(output):
        debug_config(tmp_path / "filled.cfg")
    assert "Config is valid" in output.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("factory", FACTORIES)
def test_spacy_train(bert: str, corpus: Path, tmp_path: Path, factory: str) -> None:
    blocks = {
        "tagger": listener("attention"),
        "ner": listener("fusion"),
        "senter": stock_listener(),
    }
    settings = training_config(config(bert, blocks, factory=factory), corpus)
    nlp = run_train(settings, tmp_path / "run")
    fresh = pipeline(bert)
    fresh.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    assert moved(parameters(fresh), parameters(nlp))
    best = spacy.load(tmp_path / "run" / "out" / "model-best")
    assert best.meta["performance"]["tag_acc"] >= 0.0
    assert [token.tag_ for token in nlp(TEXTS[0])]


@pytest.mark.slow
def test_spacy_train_is_reproducible(bert: str, corpus: Path, tmp_path: Path) -> None:
    settings = training_config(config(bert, ["tagger", "textcat"]), corpus)
    one = run_train(settings, tmp_path / "one")
    two = run_train(settings, tmp_path / "two")
    assert not moved(parameters(one), parameters(two))
    assert_same(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("factory", FACTORIES)
def test_sourced_frozen_annotating_encoder(
    bert: str, corpus: Path, tmp_path: Path, factory: str
) -> None:
    source = trained(bert, ["tagger"], "attention", factory)
    source.to_disk(tmp_path / "source")
    for aggregation in ("last", "attention", "fusion"):
        settings = config(bert, ["ner"], aggregation, factory)
        settings["components"]["transformer"] = {"source": str(tmp_path / "source")}
        settings = training_config(
            settings,
            corpus,
            frozen_components=["transformer"],
            annotating_components=["transformer"],
        )
        nlp = run_train(settings, tmp_path / aggregation)
        assert not moved(parameters(source), parameters(nlp))
        weights = aggregator_weights(nlp, "ner")
        start = aggregator_weights(
            init_nlp(load_config(tmp_path / aggregation / "filled.cfg")), "ner"
        )
        if aggregation != "last":
            assert moved(start, weights)


def aggregator_weights(nlp: Language, name: str) -> dict[str, numpy.ndarray]:
    from dlfa_spacy.pipeline.inspection import aggregators_of

    modules = aggregators_of(nlp.get_pipe(name).model)  # type: ignore[attr-defined]
    return {k: p.detach().numpy().copy() for m in modules for k, p in m.named_parameters()}


@pytest.mark.slow
def test_sourced_frozen_encoder_and_component_beside_a_new_one(
    bert: str, corpus: Path, tmp_path: Path
) -> None:
    source = trained(bert, ["tagger"], "attention")
    source.to_disk(tmp_path / "source")
    settings = config(bert, ["tagger", "ner"], "fusion")
    for name in ("transformer", "tagger"):
        settings["components"][name] = {"source": str(tmp_path / "source")}
    settings = training_config(
        settings,
        corpus,
        frozen_components=["transformer", "tagger"],
        annotating_components=["transformer"],
    )
    nlp = run_train(settings, tmp_path / "run")
    docs, others = list(source.pipe(TEXTS)), list(nlp.pipe(TEXTS))
    assert [[t.tag_ for t in d] for d in docs] == [[t.tag_ for t in d] for d in others]
    read, other = vectors(source, docs)["tagger"], vectors(nlp, others)["tagger"]
    for array, other_array in zip(read, other, strict=True):
        numpy.testing.assert_allclose(array, other_array, atol=1e-5)


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("kind", ["ours", "stock"])
def test_fresh_frozen_encoder(
    bert: str, corpus: Path, tmp_path: Path, factory: str, kind: str
) -> None:
    """explosion/spaCy #11547: Cannot get dimension 'nO' for model 'transformer-listener'."""
    block = listener("attention") if kind == "ours" else stock_listener()
    settings = training_config(
        config(bert, {"tagger": block}, factory=factory),
        corpus,
        frozen_components=["transformer"],
        annotating_components=["transformer"],
    )
    nlp = run_train(settings, tmp_path / "run")
    fresh = pipeline(bert)
    fresh.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    assert not moved(parameters(fresh), parameters(nlp))
    assert [token.tag_ for token in nlp(TEXTS[0])]


@pytest.mark.slow
def test_frozen_component_beside_a_training_one(bert: str, corpus: Path, tmp_path: Path) -> None:
    source = trained(bert, ["tagger"], "attention")
    source.to_disk(tmp_path / "source")
    settings = config(bert, ["tagger", "ner"])
    for name in ("transformer", "tagger"):
        settings["components"][name] = {"source": str(tmp_path / "source")}
    settings = training_config(settings, corpus, frozen_components=["tagger"])
    nlp = run_train(settings, tmp_path / "run")
    assert moved(parameters(source), parameters(nlp))
    assert not moved(aggregator_weights(source, "tagger"), aggregator_weights(nlp, "tagger"))


@pytest.mark.slow
def test_annotating_component_that_listens(bert: str, corpus: Path, tmp_path: Path) -> None:
    settings = training_config(
        config(bert, ["tagger", "ner"]),
        corpus,
        annotating_components=["transformer", "tagger"],
    )
    nlp = run_train(settings, tmp_path / "run")
    assert [token.tag_ for token in nlp(TEXTS[0])]


@pytest.mark.slow
def test_update_with_accumulated_gradients(bert: str, corpus: Path, tmp_path: Path) -> None:
    settings = training_config(config(bert, ["tagger"]), corpus, accumulate_gradient=2)
    settings["training"]["batcher"] = {
        "@batchers": "spacy.batch_by_sequence.v1",
        "size": 4,
    }
    nlp = run_train(settings, tmp_path / "run")
    fresh = pipeline(bert)
    fresh.get_pipe("transformer").model.load()  # type: ignore[attr-defined]
    assert moved(parameters(fresh), parameters(nlp))


@pytest.mark.parametrize("factory", FACTORIES)
def test_upstream_by_name(bert: str, factory: str) -> None:
    settings = config(bert, {"tagger": listener("attention", upstream="encoder")}, factory=factory)
    settings["components"]["encoder"] = settings["components"].pop("transformer")
    settings["nlp"]["pipeline"] = ["encoder", "tagger"]
    from life import initialized

    nlp = initialized(load_model_from_config(settings, auto_fill=True))
    before = parameters(nlp, "encoder")
    from life import train as train_steps

    train_steps(nlp, 2)
    assert moved(before, parameters(nlp, "encoder"))


def test_two_encoders_in_a_pipeline(bert: str, tmp_path: Path) -> None:
    from life import initialized, reloaded
    from life import train as train_steps

    blocks = {
        "tagger": listener("attention", upstream="transformer"),
        "ner": listener("fusion", upstream="second"),
    }
    settings = config(bert, blocks)
    settings["components"]["second"] = encoder_block(bert)
    settings["nlp"]["pipeline"] = ["transformer", "tagger", "second", "ner"]
    nlp = initialized(load_model_from_config(settings, auto_fill=True))
    before = [parameters(nlp, name) for name in ("transformer", "second")]
    train_steps(nlp, 2)
    for start, name in zip(before, ("transformer", "second"), strict=True):
        assert moved(start, parameters(nlp, name))
    assert_same(nlp, reloaded(nlp, tmp_path))


def test_switched_off_components(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger", "ner", "textcat"])
    nlp.to_disk(tmp_path)
    expected = annotations(nlp.pipe(TEXTS))
    tags = [row["tags"] for row in expected]
    for settings in ({"disable": ["ner"]}, {"exclude": ["ner", "textcat"]}):
        other = spacy.load(tmp_path, **settings)
        assert [row["tags"] for row in annotations(other.pipe(TEXTS))] == tags
    other = spacy.load(tmp_path, disable=["transformer", "tagger", "textcat", "ner"])
    assert [row["tags"] for row in annotations(other.pipe(TEXTS))] != tags
    for name in other.component_names:
        other.enable_pipe(name)
    assert annotations(other.pipe(TEXTS)) == expected
    with nlp.select_pipes(enable=["transformer", "ner"]):
        ents = [row["ents"] for row in annotations(nlp.pipe(TEXTS))]
    assert ents == [row["ents"] for row in expected]
    assert annotations(nlp.pipe(TEXTS)) == expected


def test_encoder_disabled_while_predicting_is_an_error(bert: str) -> None:
    nlp = trained(bert, ["tagger"])
    with nlp.select_pipes(disable=["transformer"]), pytest.raises(ValueError, match="Fix:"):
        nlp("Anna lives in Berlin")


def test_training_selected_components(bert: str) -> None:
    from life import train as train_steps

    nlp = trained(bert, ["tagger", "ner"])
    before = parameters(nlp)
    with nlp.select_pipes(enable=["transformer", "tagger"]):
        train_steps(nlp, 2)
    assert moved(before, parameters(nlp))
