"""A GPU gives what the CPU gives: layers, gradients, training, cache, annotation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from devices import CPU, on, to_numpy
from life import (
    TEXTS,
    annotations,
    config,
    encoded,
    examples,
    initialized,
    pipeline,
    scores,
    train,
)
from spacy.language import Language
from spacy.util import load_model_from_config

from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.pipeline.encoders import find_encoder

LAYERS = [0, 2, 4]
# Dropout would differ.
PLAIN = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def made(folder: str, components: Sequence[str] = ("tagger",), **model: Any) -> Language:
    settings = config(folder, components, "fusion")
    cache = model.pop("cache", 0)
    settings["components"]["transformer"]["model"] |= model
    settings["components"]["transformer"]["cache"] = cache
    return load_model_from_config(settings, auto_fill=True)


def encoder(nlp: Language) -> TransformerModel:
    found = find_encoder(nlp)
    assert found is not None
    found.load()
    return found


def states(nlp: Language, texts: Sequence[str] = TEXTS) -> list[numpy.ndarray]:
    batch = encoder(nlp).encode([nlp.make_doc(text) for text in texts], LAYERS)
    return [to_numpy(batch.states[layer]) for layer in LAYERS]


def is_on(nlp: Language, device: int) -> bool:
    return encoder(nlp).packed.device.type == ("cpu" if device == CPU else "cuda")


@pytest.fixture
def saved(bert: str, tmp_path: Path) -> Path:
    """Trained on the CPU so far that gradients reach every layer."""
    with on(CPU):
        nlp = initialized(made(bert, ["tagger", "ner", "textcat"], transformer_config=PLAIN), 3)
        nlp.to_disk(tmp_path / "saved")
    return tmp_path / "saved"


def test_layers_are_those_of_the_cpu(any_encoder: str, device: int) -> None:
    with on(CPU):
        expected = states(pipeline(any_encoder))
    with on(device):
        nlp = pipeline(any_encoder)
        found = states(nlp)
        assert is_on(nlp, device)
    for ours, theirs in zip(found, expected, strict=True):
        numpy.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_mixed_precision_gives_nearly_the_layers_of_fp32(bert: str, device: int) -> None:
    if not has_bfloat16("cpu" if device == CPU else "cuda"):
        pytest.skip("this device has no bfloat16")
    with on(CPU):
        expected = states(made(bert), TEXTS * 20)
    with on(device):
        found = states(made(bert, mixed_precision=True), TEXTS * 20)
    for ours, theirs in zip(found, expected, strict=True):
        assert numpy.linalg.norm(ours - theirs) < 0.03 * numpy.linalg.norm(theirs)
    assert not numpy.array_equal(found[-1], expected[-1])


def gradients(folder: Path) -> tuple[dict[str, numpy.ndarray], dict[str, float]]:
    nlp = spacy.load(folder)
    losses = nlp.update(examples(nlp), sgd=False)
    # A second batch for the same step.
    nlp.update(examples(nlp)[:1], sgd=False)
    encoder(nlp).ledger.close()
    named = encoder(nlp).transformer.named_parameters()
    return {name: to_numpy(p.grad) for name, p in named if p.grad is not None}, losses


def test_gradients_are_those_of_the_cpu(saved: Path, device: int) -> None:
    with on(CPU):
        expected, losses = gradients(saved)
    with on(device):
        found, other = gradients(saved)
    assert found.keys() == expected.keys() and len(found) > 60
    for name, gradient in expected.items():
        size = max(float(numpy.abs(gradient).max()), 1e-4)
        numpy.testing.assert_allclose(found[name], gradient, atol=2e-3 * size, err_msg=name)
    for name, loss in losses.items():
        assert other[name] == pytest.approx(loss, rel=2e-3)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_it_trains_and_the_cpu_predicts_what_was_learned(
    bert: str, device: int, mixed_precision: bool, tmp_path: Path
) -> None:
    with on(device):
        nlp = initialized(made(bert, ["tagger", "textcat"], mixed_precision=mixed_precision))
        before = [to_numpy(p) for p in encoder(nlp).transformer.parameters()]
        losses = train(nlp, 2)
        assert all(numpy.isfinite(loss) for loss in losses.values())
        after = [to_numpy(p) for p in encoder(nlp).transformer.parameters()]
        moved = [not numpy.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        assert sum(moved) > 0.8 * len(moved)
        nlp.to_disk(tmp_path)
        expected = list(nlp.pipe(TEXTS))
        tags, cats = annotations(expected), scores(expected)
    with on(CPU):
        loaded = list(spacy.load(tmp_path).pipe(TEXTS))
    numpy.testing.assert_allclose(scores(loaded), cats, atol=0.05 if mixed_precision else 1e-3)
    assert mixed_precision or annotations(loaded) == tags


def test_a_pipeline_annotates_as_on_the_cpu(saved: Path, device: int) -> None:
    found = []
    for where in (CPU, device):
        with on(where):
            nlp = spacy.load(saved)
            nlp.add_pipe("dlfa_sentence_vectors")
            nlp.add_pipe("dlfa_confidence")
            docs = list(nlp.pipe([*TEXTS, ""]))
            sure = [ent._.confidence for doc in docs for ent in doc.ents]
            vectors = [doc.vector for doc in docs[:-1]]
            found.append((annotations(docs), numpy.array(scores(docs)), sure, vectors))
    (expected, cats, sure, vectors), (ours, other_cats, other_sure, other_vectors) = found
    assert ours == expected
    numpy.testing.assert_allclose(other_cats, cats, atol=1e-3)
    numpy.testing.assert_allclose(other_sure, sure, atol=1e-3)
    numpy.testing.assert_allclose(other_vectors, vectors, atol=1e-3)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_a_store_that_it_filled_holds_the_layers(
    bert: str, device: int, mixed_precision: bool, tmp_path: Path
) -> None:
    with on(CPU):
        expected = states(made(bert))
    for again in (False, True):
        with on(device), encoded() as runs:
            nlp = made(bert, cache=str(tmp_path), mixed_precision=mixed_precision)
            docs = [nlp.make_doc(text) for text in TEXTS]
            batch = encoder(nlp).encode_frozen(docs, LAYERS)
            found = [batch.states[layer] for layer in LAYERS]
            assert found[0].device == encoder(nlp).packed.device
            assert bool(runs) is not again
        for ours, theirs in zip(found, expected, strict=True):
            # Half precision keeps 11 bits, bfloat16 8 in each operation.
            bound = 0.03 if mixed_precision else 1e-3
            error = numpy.linalg.norm(to_numpy(ours) - theirs)
            assert error < bound * numpy.linalg.norm(theirs)


def test_components_train_on_a_frozen_encoder(bert: str, device: int) -> None:
    with on(device):
        nlp = initialized(made(bert, cache="1MB"))
        before = [p.detach().clone() for p in encoder(nlp).transformer.parameters()]
        frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
        train(nlp, 1, **frozen)
        with encoded() as runs:
            losses = train(nlp, 2, **frozen)
        assert not runs and numpy.isfinite(losses["tagger"])
        after = encoder(nlp).transformer.parameters()
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
