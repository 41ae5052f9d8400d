"""bfloat16 on a CPU that has it: the encoder alone, nearly the same numbers, fp32 outside."""

import copy

import pytest
import spacy
import torch
from spacy.training import Example
from spacy.util import load_model_from_config

from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.storage.int8 import quantize
from dlfa_spacy.pipeline.encoders import find_encoder
from dlfa_spacy.recipes import make_config

needs_bfloat16 = pytest.mark.skipif(not has_bfloat16(), reason="this CPU has no bfloat16")
TEXTS = ["Anna lives in Berlin.", "the able", "Berlin", "She lives in the the the un able."]


def pipeline(folder: str, mixed_precision: bool):
    # Whether a weight trains is not saved: here all of them do.
    settings = {"steps": 20, "learn_rate": 1e-3, "train_embeddings": True}
    config = make_config("textcat", "attention", encoder=folder, **settings)
    config["components"]["transformer"]["model"]["mixed_precision"] = mixed_precision
    config["components"]["textcat"]["model"]["dropout"] = 0.0
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: examples(nlp))
    return nlp


def examples(nlp) -> list[Example]:
    labels = [{"a": 1.0, "b": 0.0}, {"a": 0.0, "b": 1.0}] * 2
    return [
        Example.from_dict(nlp.make_doc(text), {"cats": cats})
        for text, cats in zip(TEXTS, labels, strict=True)
    ]


def gradients(nlp) -> torch.Tensor:
    for module in find_encoder(nlp).packed.transformer.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0
    nlp.update(examples(nlp), sgd=False)
    encoder = find_encoder(nlp)
    found = [p.grad.flatten() for p in encoder.packed.parameters() if p.grad is not None]
    assert all(grad.dtype == torch.float32 for grad in found)
    return torch.cat(found)


@needs_bfloat16
def test_bfloat16_layers_are_nearly_those_of_fp32_and_come_out_as_fp32(bert):
    exact, mixed = (find_encoder(pipeline(bert, flag)) for flag in (False, True))
    assert mixed.packed.uses_bfloat16 and not exact.packed.uses_bfloat16
    mixed.packed.transformer.load_state_dict(exact.packed.transformer.state_dict())
    docs = [spacy.blank("xx")(text) for text in TEXTS]
    for layer in (0, 2, 4):
        expected = exact.encode(docs, [0, 2, 4]).states[layer]
        found = mixed.encode(docs, [0, 2, 4]).states[layer]
        assert found.dtype == torch.float32
        error = (found - expected).norm() / expected.norm()
        # bfloat16 keeps 8 bits: about 0.004 an operation. The embeddings are not computed in it.
        assert error < (1e-6 if layer == 0 else 0.03)
        assert layer == 0 or error > 0


@needs_bfloat16
def test_bfloat16_gradients_point_the_same_way(bert):
    nlp = pipeline(bert, False)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 1e-3
    # The classes begin at zero, where nothing flows back.
    for _ in range(3):
        nlp.update(examples(nlp), sgd=optimizer)
    other = pipeline(bert, True)
    for part in ("transformer", "textcat"):
        other.get_pipe(part).from_bytes(nlp.get_pipe(part).to_bytes())
    assert find_encoder(other).packed.uses_bfloat16
    expected, found = gradients(nlp), gradients(other)
    assert expected.norm() > 0
    assert torch.nn.functional.cosine_similarity(expected, found, dim=0) > 0.99


@pytest.mark.parametrize("part", ["bytes", "copy"])
def test_mixed_precision_survives(bert, part):
    model = find_encoder(pipeline(bert, True))
    again = model.copy() if part == "copy" else copy.copy(model)
    if part == "bytes":
        again = find_encoder(pipeline(bert, True)).from_bytes(model.to_bytes())
    assert again.packed.mixed_precision
    docs = [spacy.blank("xx")(text) for text in TEXTS]
    torch.testing.assert_close(again.encode(docs, [4]).states[4], model.encode(docs, [4]).states[4])


@pytest.mark.slow
def test_a_cpu_without_bfloat16_computes_in_fp32(bert, monkeypatch):
    monkeypatch.setattr("dlfa_spacy.encoder.run.packed.has_bfloat16", lambda device: False)
    exact, mixed = (find_encoder(pipeline(bert, flag)) for flag in (False, True))
    mixed.packed.transformer.load_state_dict(exact.packed.transformer.state_dict())
    docs = [spacy.blank("xx")(text) for text in TEXTS]
    torch.testing.assert_close(mixed.encode(docs, [4]).states[4], exact.encode(docs, [4]).states[4])


def test_mixed_precision_of_thinc_reaches_the_encoder(bert):
    # On a GPU without bfloat16 thinc wraps it in an autocast to half floats.
    model = find_encoder(pipeline(bert, False))
    docs = [spacy.blank("xx")(text) for text in TEXTS]
    expected = model.encode(docs, [4]).states[4]
    with torch.autocast("cpu", torch.bfloat16):
        found = model.encode(docs, [4]).states[4]
    assert found.dtype == torch.float32
    assert 0 < (found - expected).norm() / expected.norm() < 0.03


def last_layer(nlp) -> torch.Tensor:
    docs = [nlp.make_doc(text) for text in TEXTS]
    return find_encoder(nlp).encode(docs, [4]).states[4]


@needs_bfloat16
def test_weights_are_cast_once_for_as_long_as_they_stay(bert):
    nlp = pipeline(bert, True)
    kept = find_encoder(nlp).packed.bfloat16_blocks
    first = last_layer(nlp)
    blocks = kept.of(find_encoder(nlp).packed.transformer.encoder.layer)
    assert {p.dtype for block in blocks for p in block.parameters()} == {torch.bfloat16}
    assert torch.equal(last_layer(nlp), first)
    assert all(a is b for a, b in zip(kept._kept[1], blocks, strict=True))


@needs_bfloat16
@pytest.mark.parametrize("between", [False, True])
def test_after_a_step_the_new_weights_predict(bert, between):
    nlp = pipeline(bert, True)
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.01
    for _ in range(3):
        before = last_layer(nlp)
        nlp.update(examples(nlp), sgd=False if between else optimizer)
        if between:
            # As an annotating component does, when gradients are there and the step is not made.
            last_layer(nlp)
            for name in ("transformer", "textcat"):
                nlp.get_pipe(name).finish_update(optimizer)
        after = last_layer(nlp)
        fresh = pipeline(bert, True)
        find_encoder(fresh).from_bytes(find_encoder(nlp).to_bytes())
        assert torch.equal(after, last_layer(fresh))
    assert not torch.equal(after, before)


@needs_bfloat16
def test_other_weights_predict_as_soon_as_they_are_loaded(bert):
    nlp = pipeline(bert, True)
    transformer = find_encoder(nlp).packed.transformer
    before = last_layer(nlp)
    state = {name: tensor.clone() for name, tensor in transformer.state_dict().items()}
    transformer.load_state_dict({name: 1.5 * tensor for name, tensor in state.items()})
    assert not torch.allclose(last_layer(nlp), before, atol=0.1)
    transformer.load_state_dict(state)
    assert torch.equal(last_layer(nlp), before)


@needs_bfloat16
def test_int8_layers_stay_int8_beside_bfloat16(bert):
    nlp = pipeline(bert, True)
    exact = last_layer(nlp)
    quantize(find_encoder(nlp).packed.transformer)
    found = last_layer(nlp)
    assert 0 < (found - exact).norm() / exact.norm() < 0.2
