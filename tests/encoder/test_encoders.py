"""Every kind of encoder: its layers are exactly Hugging Face's, it trains and it reloads."""

from pathlib import Path

import numpy
import pytest
import torch
from life import (
    TEXTS,
    assert_same,
    config,
    in_layer,
    initialized,
    moved,
    parameters,
    pipeline,
    reloaded,
    train,
    trained,
)
from spacy.language import Language
from spacy.util import load_model_from_config
from tiny import layers_of
from transformers import AutoConfig, AutoModel, AutoTokenizer

from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.encoder.segment.pieces import count_pieces
from dlfa_spacy.encoder.segment.spans import WordpieceSpans
from dlfa_spacy.encoder.storage.uninitialized import empty_encoder


def encoder(nlp: Language) -> TransformerModel:
    return nlp.get_pipe("transformer").model  # type: ignore[attr-defined, no-any-return]


def huggingface_states(folder: str, texts: list[str]) -> list[torch.Tensor]:
    """RETURNS: All layers `(N, E)`, one text at a time: nothing is padded."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        found = [
            layers_of(
                model(tokenizer(text, return_tensors="pt")["input_ids"], output_hidden_states=True)
            )
            for text in texts
        ]
    return [torch.cat([text[0] for text in layer]) for layer in zip(*found, strict=True)]


@pytest.mark.parametrize("layers", [[0, 1, 2, 3, 4], [4], [2], [0], [1, 3]])
def test_layers_equal_huggingface(any_encoder: str, layers: list[int]) -> None:
    nlp = pipeline(any_encoder)
    encoder(nlp).load()
    # One window per text, as Hugging Face has it.
    encoder(nlp).attrs["get_spans"] = WordpieceSpans(60, 60)
    states = encoder(nlp).encode([nlp.make_doc(text) for text in TEXTS], layers).states
    expected = huggingface_states(any_encoder, TEXTS)
    assert len(expected) == len(states)
    assert sorted(states.layers) == layers
    for layer in layers:
        torch.testing.assert_close(states[layer], expected[layer], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("aggregation", ["attention", "low"])
def test_encoder_trains_and_reloads(any_encoder: str, tmp_path: Path, aggregation: str) -> None:
    nlp = initialized(pipeline(any_encoder, ["tagger", "ner"], aggregation))
    before = parameters(nlp)
    train(nlp, 2)
    changed = moved(before, parameters(nlp))
    above_reach = {
        name for name in before for layer in (3, 4) if in_layer(any_encoder, name, layer)
    }
    assert above_reach
    if aggregation == "low":
        assert not changed & above_reach
    else:
        assert len(changed) > 0.8 * len(before)
    assert_same(nlp, reloaded(nlp, tmp_path))


def test_saved_encoder_keeps_every_weight(any_encoder: str, tmp_path: Path) -> None:
    nlp = trained(any_encoder)
    other = reloaded(nlp, tmp_path)
    state = encoder(nlp).transformer.state_dict()
    other_state = encoder(other).transformer.state_dict()
    assert list(state) == list(other_state)
    for name in state:
        assert torch.equal(state[name], other_state[name]), name


def test_loaded_tokenizer_cuts_the_same_pieces(any_encoder: str, tmp_path: Path) -> None:
    nlp = trained(any_encoder)
    other = reloaded(nlp, tmp_path)
    docs = [nlp.make_doc(text) for text in [*TEXTS, "Ünable   北京 Берлин 😀", "x" * 300]]
    windows, other_windows = encoder(nlp).segment(docs), encoder(other).segment(docs)
    numpy.testing.assert_array_equal(windows.ids, other_windows.ids)
    numpy.testing.assert_array_equal(windows.lengths, other_windows.lengths)


def test_pieces_are_counted_as_transformers_does(any_encoder: str) -> None:
    for use_fast in (True, False):
        tokenizer = AutoTokenizer.from_pretrained(any_encoder, use_fast=use_fast)
        assert count_pieces(tokenizer) == len(tokenizer)
        # One that is new, and one that is in the vocabulary.
        tokenizer.add_tokens(["wholly new", "a"])
        assert count_pieces(tokenizer) == len(tokenizer)


def test_an_encoder_is_built_as_automodel_does(
    any_encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AutoConfig.from_pretrained(any_encoder)
    expected = AutoModel.from_config(config, attn_implementation="eager")
    found = empty_encoder(config, attn_implementation="eager")
    assert type(found) is type(expected)
    assert found.config.to_dict() == expected.config.to_dict()
    assert set(found.state_dict()) == set(expected.state_dict())
    # An architecture that the table does not know is left to AutoModel.
    monkeypatch.setattr("dlfa_spacy.encoder.storage.uninitialized.MODEL_MAPPING", {})
    assert type(empty_encoder(config)) is type(expected)


def test_half_precision_checkpoint_trains_in_single_precision(bert: str, tmp_path: Path) -> None:
    AutoModel.from_pretrained(bert, torch_dtype=torch.float16).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path)
    nlp = trained(str(tmp_path), ["tagger"])
    assert {p.dtype for p in encoder(nlp).transformer.parameters()} == {torch.float32}


def test_transformer_config_reaches_the_encoder_and_survives_saving(
    bert: str, tmp_path: Path
) -> None:
    settings = config(bert)
    settings["components"]["transformer"]["model"]["transformer_config"] = {
        "hidden_dropout_prob": 0.0,
        "attn_implementation": "eager",
    }
    nlp = initialized(load_model_from_config(settings, auto_fill=True), 1)
    for pipe in (nlp, reloaded(nlp, tmp_path)):
        hf_config = encoder(pipe).transformer.config
        assert hf_config.hidden_dropout_prob == 0.0
        assert hf_config._attn_implementation == "eager"
