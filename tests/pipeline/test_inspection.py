"""What researchers read: token-aligned states of every layer, learned weights, their log."""

import json
from pathlib import Path
from typing import Any

import life
import numpy
import pytest
import spacy
import torch
from life import (
    FACTORIES,
    TEXTS,
    config,
    encoder_block,
    initialized,
    listener,
    pipeline,
    stock_encoder_block,
    stock_listener,
    train,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config, registry
from tiny import layers_of
from transformers import AutoModel, AutoTokenizer

from dlfa_spacy import layer_states, layer_weights
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.pipeline.inspection import aggregators_of

SENTENCES = [["Anna", "lives", "in", "Berlin"], ["Berlin"], ["un-able", "to", "see", "the", "sea"]]


def sentence(nlp: Language, words: list[str]) -> Doc:
    # No space at the end: it would be a wordpiece in some tokenizers.
    return Doc(nlp.vocab, words=words, spaces=[*[True] * (len(words) - 1), False])


def states_by_hand(folder: str, words: list[str], word_repr: str) -> numpy.ndarray:
    """RETURNS: `(S, n_tokens, E)` from Hugging Face alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    encoded = tokenizer(" ".join(words), return_offsets_mapping=True, return_tensors="pt")
    with torch.no_grad():
        hidden = layers_of(model(encoded["input_ids"], output_hidden_states=True))
    offsets = encoded["offset_mapping"][0].tolist()
    rows = []
    start = 0
    for word in words:
        end = start + len(word)
        pieces = [i for i, (a, b) in enumerate(offsets) if a < end and b > start]
        start = end + 1
        chosen = {"first": pieces[:1], "last": pieces[-1:], "mean": pieces}[word_repr]
        rows.append(torch.stack([state[0, chosen].mean(dim=0) for state in hidden]))
    return torch.stack(rows, dim=1).numpy()


def encoded_pipeline(folder: str, factory: str, *names: str, aggregation: str = "last") -> Language:
    nlp = initialized(pipeline(folder, names or ["tagger"], aggregation, factory))
    nlp.get_pipe("transformer").model.attrs["get_spans"] = WordpieceSpans(60, 60)  # type: ignore[attr-defined]
    return nlp


@pytest.mark.parametrize("word_repr", ["first", "last", "mean"])
@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("way", ["from the docs", "with nlp", "unprocessed"])
def test_states_equal_huggingface(bert: str, factory: str, word_repr: str, way: str) -> None:
    nlp = encoded_pipeline(bert, factory)
    docs = [sentence(nlp, words) for words in SENTENCES]
    if way != "unprocessed":
        docs = list(nlp.pipe(docs))
    given = None if way == "from the docs" else nlp
    states = layer_states(docs, nlp=given, word_repr=word_repr)
    for words, doc, state in zip(SENTENCES, docs, states, strict=True):
        expected = states_by_hand(bert, words, word_repr)
        assert state.shape == expected.shape == (5, len(doc), 32)
        numpy.testing.assert_allclose(state, expected, atol=1e-5)
        alone = layer_states(doc, nlp=given, word_repr=word_repr)
        numpy.testing.assert_allclose(alone, expected, atol=1e-5)


def test_states_of_every_encoder(any_encoder: str) -> None:
    nlp = encoded_pipeline(any_encoder, "dlfa_transformer")
    words = ["Anna", "lives", "in", "Berlin"]
    state = layer_states(sentence(nlp, words), nlp=nlp)
    numpy.testing.assert_allclose(state, states_by_hand(any_encoder, words, "mean"), atol=1e-5)


@pytest.mark.parametrize("factory", FACTORIES)
def test_chosen_layers_in_the_order_asked_for(bert: str, factory: str) -> None:
    nlp = encoded_pipeline(bert, factory)
    doc = nlp(TEXTS[0])
    everything = layer_states(doc, nlp=nlp)
    for layers in ([4, 0], [-1], [-5, 2, 2], []):
        chosen = layer_states(doc, nlp=nlp, layers=layers)
        numpy.testing.assert_array_equal(chosen, everything[layers])


@pytest.mark.parametrize("factory", FACTORIES)
def test_white_space_has_zeros_and_empty_docs_no_rows(bert: str, factory: str) -> None:
    nlp = encoded_pipeline(bert, factory)
    doc = nlp("Anna   Berlin")
    state = layer_states(doc)
    assert doc[1].is_space
    assert not state[:, 1].any()
    assert state[:, 0].any() and state[:, 2].any()
    states = layer_states([nlp(""), doc, nlp("  ")], nlp=nlp)
    assert [s.shape for s in states] == [(5, 0, 32), (5, 3, 32), (5, 1, 32)]
    numpy.testing.assert_allclose(states[1], state, atol=1e-6)
    assert layer_states([], nlp=nlp) == []
    assert layer_states(nlp(""), nlp=nlp).shape == (5, 0, 32)


def test_a_batch_of_empty_docs_has_layers_without_rows(bert: str) -> None:
    nlp = encoded_pipeline(bert, "dlfa_transformer")
    empty = [nlp.make_doc(""), nlp.make_doc("")]
    assert [s.shape for s in layer_states(empty, nlp=nlp, layers=[0, -1])] == [(2, 0, 32)] * 2
    encoder = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    for docs in (empty, []):
        for batch in (encoder.encode(docs, [0, 4]), encoder.encode_frozen(docs, [0, 4])):
            assert {k: v.shape for k, v in batch.states.layers.items()} == {0: (0, 32), 4: (0, 32)}
            assert batch.lengths.shape == (0,) and len(batch.doc_data) == len(docs)


@pytest.mark.parametrize("factory", FACTORIES)
def test_states_ignore_windows_seams_never_lose_a_token(bert: str, factory: str) -> None:
    nlp = encoded_pipeline(bert, factory)
    nlp.get_pipe("transformer").model.attrs["get_spans"] = WordpieceSpans(8, 4)  # type: ignore[attr-defined]
    doc = nlp(" ".join(TEXTS * 5))
    state = layer_states(doc, nlp=nlp)
    assert state.shape == (5, len(doc), 32)
    assert (numpy.abs(state).sum(axis=-1) > 0).all()


def test_states_of_an_encoder_inside_a_component(bert: str) -> None:
    nlp = encoded_pipeline(bert, "dlfa_transformer")
    doc = sentence(nlp, SENTENCES[0])
    expected = layer_states(doc, nlp=nlp)
    nlp.replace_listeners("transformer", "tagger", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    numpy.testing.assert_allclose(layer_states(doc, nlp=nlp), expected, atol=1e-6)


def test_wrong_questions_are_refused(bert: str) -> None:
    nlp = encoded_pipeline(bert, "dlfa_transformer")
    doc = nlp(TEXTS[0])
    with pytest.raises(ValueError, match="(?s)layers.*5.*4 layers.*Fix:"):
        layer_states(doc, layers=[5])
    with pytest.raises(ValueError, match="(?s)max.*Fix:"):
        layer_states(doc, word_repr="max")
    with pytest.raises(ValueError, match="(?s)nlp=nlp"):
        layer_states(spacy.blank("xx")("Anna"))
    with pytest.raises(ValueError, match="(?s)no encoder.*Fix:"):
        layer_states(doc, nlp=spacy.blank("xx"))
    settings = config(bert, {"tagger": stock_listener()})
    settings["components"]["transformer"] = stock_encoder_block(bert)
    stock = initialized(load_model_from_config(settings, auto_fill=True))
    with pytest.raises(ValueError, match="(?s)dlfa_spacy.TransformerModel.v1.*Fix:"):
        layer_states(doc, nlp=stock)


# Weights


@pytest.mark.parametrize("factory", FACTORIES)
def test_weights_of_a_pipeline(bert: str, tmp_path: Path, factory: str) -> None:
    blocks = {"tagger": listener("mix"), "ner": listener("attention"), "senter": listener("fusion")}
    nlp = initialized(pipeline(bert, blocks, factory=factory))
    weights = layer_weights(nlp)
    assert set(weights) == {"tagger", "ner"}
    numpy.testing.assert_allclose(weights["tagger"], [0.2] * 5, atol=1e-6)
    # The residual start: the untrained attention is the last layer.
    numpy.testing.assert_allclose(weights["ner"], [0, 0, 0, 0, 1], atol=1e-6)
    train(nlp, 3)
    learnt = layer_weights(nlp)
    for name in learnt:
        assert sum(learnt[name]) == pytest.approx(1.0 if name == "ner" else 1.0, abs=1e-5)
        assert learnt[name] != weights[name]
    nlp.to_disk(tmp_path)
    assert layer_weights(spacy.load(tmp_path)) == learnt
    docs = list(nlp.pipe(TEXTS))
    with_docs = layer_weights(nlp, docs)
    assert with_docs["tagger"] == learnt["tagger"]
    assert with_docs["ner"] != learnt["ner"]
    assert sum(with_docs["ner"]) == pytest.approx(1.0, abs=1e-5)
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    assert layer_weights(nlp)["ner"] == learnt["ner"]


def test_weights_after_training_drop_no_layer(bert: str) -> None:
    nlp = trained(bert, ["tagger"], "attention", steps=3)
    docs = [nlp.make_doc(text) for text in TEXTS]
    (module,) = aggregators_of(nlp.get_pipe("tagger").model)  # type: ignore[attr-defined]
    module.dropout = 0.9
    module.train()
    found = [layer_weights(nlp, docs) for _ in range(5)]
    assert all(weights == found[0] for weights in found)
    assert module.training


def test_weights_that_cannot_be_computed_leave_the_module_as_it_was(
    bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = trained(bert, ["tagger"], "attention", steps=3)
    (module,) = aggregators_of(nlp.get_pipe("tagger").model)  # type: ignore[attr-defined]
    module.train()
    monkeypatch.setattr(type(module), "layer_weights", lambda self, states: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        layer_weights(nlp)
    assert module.training


def test_attention_weights_over_texts_are_its_attention(bert: str) -> None:
    nlp = trained(bert, ["tagger"], "attention", steps=3)
    docs = list(nlp.pipe(TEXTS))
    (module,) = aggregators_of(nlp.get_pipe("tagger").model)  # type: ignore[attr-defined]
    states = nlp.get_pipe("transformer").model.encode(docs, [0, 1, 2, 3, 4]).states  # type: ignore[attr-defined]
    with torch.no_grad():
        mean = module.attention(states).mean(dim=0)
        last = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0])
        expected = last + module.beta * (mean - last)
    numpy.testing.assert_allclose(layer_weights(nlp, docs)["tagger"], expected, atol=1e-6)


def test_attention_weights_over_empty_texts_are_those_without_any(bert: str) -> None:
    nlp = trained(bert, ["tagger"], "attention", steps=3)
    assert layer_weights(nlp, [nlp.make_doc("")]) == layer_weights(nlp)


# Logger


def log(nlp: Language, path: Path, steps: list[int]) -> list[dict[str, Any]]:
    setup = registry.get("loggers", "dlfa_spacy.layer_weights_logger.v1")(str(path))
    log_step, finalize = setup(nlp, None, None)
    for step in steps:
        train(nlp, 1)
        log_step({"step": step})
        # spaCy also calls between two evaluations.
        log_step(None)
    finalize()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_logger_writes_one_line_an_evaluation(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger", "ner"], "mix")
    lines = log(nlp, tmp_path / "logs" / "layers.jsonl", [0, 10, 20])
    assert [line["step"] for line in lines] == [0, 10, 20]
    assert all(set(line["weights"]) == {"tagger", "ner"} for line in lines)
    assert all(len(line["weights"]["ner"]) == 5 for line in lines)
    assert lines[0]["weights"] != lines[2]["weights"]
    assert lines[2]["weights"] == layer_weights(nlp)


def test_logger_in_a_chain_of_spacy_train(bert: str, tmp_path: Path) -> None:
    from life import gold_docs
    from spacy.cli.init_config import fill_config
    from spacy.cli.train import train as spacy_train
    from spacy.tokens import DocBin

    DocBin(docs=gold_docs(spacy.blank("xx"))).to_disk(tmp_path / "corpus.spacy")
    reader = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "corpus.spacy")}
    settings = config(bert, ["tagger"], "mix")
    settings["components"]["transformer"] = encoder_block(bert)
    settings["corpora"] = {"train": dict(reader), "dev": dict(reader)}
    layers = str(tmp_path / "layers.jsonl")
    settings["training"] = {
        "max_steps": 4,
        "eval_frequency": 2,
        "logger": {
            "@loggers": "spacy.ChainLogger.v1",
            "logger1": {"@loggers": "spacy.ConsoleLogger.v1"},
            "logger2": {"@loggers": "dlfa_spacy.layer_weights_logger.v1", "path": layers},
        },
    }
    settings.to_disk(tmp_path / "config.cfg")
    fill_config(tmp_path / "filled.cfg", tmp_path / "config.cfg")
    spacy_train(tmp_path / "filled.cfg", tmp_path / "out")
    lines = [json.loads(x) for x in Path(layers).read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4]


@pytest.mark.parametrize("inner", ["ScalarMix", "LayerAttention"])
def test_selected_layers_that_count_from_the_end_have_their_weights(bert: str, inner: str) -> None:
    inside = {"@layers": f"dlfa_spacy.{inner}.v1"}
    if inner == "LayerAttention":
        inside["residual"] = False
    selected = {"@layers": "dlfa_spacy.SelectedLayers.v1", "layers": [1, -2], "aggregation": inside}
    own = {**life.listener("last"), "aggregation": selected}
    nlp = life.initialized(life.pipeline(bert, {"tagger": own}), steps=2)
    for docs in (None, [nlp.make_doc("Anna lives in Berlin")], [nlp.make_doc("the un able")]):
        weights = layer_weights(nlp, docs)["tagger"]
        assert [layer for layer, weight in enumerate(weights) if weight] == [1, 3]
        assert len(weights) == 5 and sum(weights) == pytest.approx(1)
    one, other = (
        layer_weights(nlp, [nlp.make_doc(text)])["tagger"] for text in ("Anna lives", "un able in")
    )
    # Attention weighs the layers of each wordpiece, also around some of them.
    assert (one == other) is (inner == "ScalarMix")
