"""What aggregators do in a trained pipeline: weights and gates by group; drift; t-SNE."""

from typing import Any

import numpy
import pytest
import torch
from life import config, initialized, pipeline, trained
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.analysis.drift import drift_rows
from dlfa_spacy.analysis.gates import gate_rows
from dlfa_spacy.analysis.tsne import tsne_rows
from dlfa_spacy.analysis.weights import weight_rows
from dlfa_spacy.language import set_language
from dlfa_spacy.pipeline.encoders import encoder_of
from dlfa_spacy.pipeline.inspection import layer_weights, named_aggregators
from dlfa_spacy.pipeline.sources import encoder_pipeline

GOLD = [
    ("en", ["Anna", "lives", "in", "Berlin"], ["PROPN", "VERB", "ADP", "PROPN"]),
    ("de", ["the", "unable", "Berlin"], ["DET", "ADJ", "PROPN"]),
    ("de", ["lives"], ["VERB"]),
]


def docs_of(nlp: Language) -> list[Doc]:
    docs = []
    for language, words, pos in GOLD:
        doc = Doc(nlp.vocab, words=words, pos=pos)
        set_language(doc, language)
        docs.append(doc)
    return docs


def shaken(nlp: Language) -> Language:
    """Aggregators start at the last layer: move them away."""
    generator = torch.Generator().manual_seed(0)
    for _, module in named_aggregators(nlp):
        for parameter in module.parameters():
            parameter.data += 0.5 * torch.randn(parameter.shape, generator=generator)
    return nlp


def by(rows: list[dict[str, Any]], *keys: str) -> dict[Any, dict[str, Any]]:
    found = {tuple(row[key] for key in keys): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_attention_weights_by_language_and_tag(bert: str) -> None:
    nlp = shaken(trained(bert, ["tagger"], "attention"))
    rows = by(list(weight_rows(nlp, docs_of(nlp))), "language", "upos", "layer")
    module = named_aggregators(nlp)[0][1]
    encoder = encoder_of(nlp)
    # As a module rests between trainings.
    assert not module.training

    def weights(doc: Doc) -> NDArray:
        """`(n_tokens, S)`, token by token."""
        batch = encoder.encode([doc], list(range(5)))
        states = torch.stack(list(batch.states))
        ends = numpy.cumsum(batch.windows.align.lengths)
        parts = numpy.split(batch.windows.align.dataXd, ends[:-1])
        # Of one token the mean over its pieces, beta and all.
        return numpy.stack([module.layer_weights(states[:, rows]).numpy() for rows in parts])

    all_weights = [weights(doc) for doc in docs_of(nlp)]
    everything = numpy.concatenate(all_weights)
    assert everything.std(axis=0).max() > 1e-3
    for layer in range(5):
        found = {key[:2]: row["weight"] for key, row in rows.items() if key[2] == layer}
        assert found["all", "all"] == pytest.approx(everything[:, layer].mean(), abs=1e-6)
        assert found["en", "all"] == pytest.approx(all_weights[0][:, layer].mean(), abs=1e-6)
        assert found["de", "PROPN"] == pytest.approx(all_weights[1][2, layer], abs=1e-6)
        propn = (all_weights[0][0] + all_weights[0][3] + all_weights[1][2])[layer] / 3
        assert found["all", "PROPN"] == pytest.approx(propn, abs=1e-6)
    assert rows["all", "VERB", 0]["tokens"] == 2
    assert not any(key[:2] == ("en", "DET") for key in rows)


def test_weights_of_a_scalar_mix_are_the_same_for_all_tokens(bert: str) -> None:
    nlp = shaken(trained(bert, ["tagger"], "mix"))
    expected = layer_weights(nlp)["tagger"]
    rows = list(weight_rows(nlp, docs_of(nlp), batch_size=1))
    assert {row["upos"] for row in rows} == {"all", "PROPN", "VERB", "ADP", "DET", "ADJ"}
    for row in rows:
        assert row["weight"] == pytest.approx(expected[row["layer"]], abs=1e-6)
        assert row["aggregator"] == "ScalarMix" and row["component"] == "tagger"


@pytest.mark.parametrize("gate", ["product", "sigmoid"])
@pytest.mark.parametrize("layer", [-3, "control"])
def test_the_gate_is_what_the_lower_layer_is_multiplied_by(
    bert: str, gate: str, layer: int | str
) -> None:
    settings = config(bert, ["tagger"], "fusion")
    block = settings["components"]["tagger"]["model"]["tok2vec"]["aggregation"]
    block.update(gate=gate, layer=layer, norm="none")
    from spacy.util import load_model_from_config

    nlp = shaken(initialized(load_model_from_config(settings, auto_fill=True)))
    module = named_aggregators(nlp)[0][1]
    module.train()
    rows = by(list(gate_rows(nlp, docs_of(nlp), batch_size=2)), "language")
    assert module.training
    doc = docs_of(nlp)[0]
    batch = encoder_of(nlp).encode([doc], list(range(5)))
    last = batch.states[-1]
    lower = last @ module.control if layer == "control" else batch.states[2]
    with torch.no_grad():
        output = module.eval()(batch.states, batch.lengths)
    # M = last + weight * (lower - last), eq. 2.
    weight = ((output - last) / (lower - last))[1:-1].double()
    row = rows[("en",)]
    assert row["layer"] == ("control" if layer == "control" else 2) and row["gate"] == gate
    assert row["pieces"] == len(last) - 2
    assert row["mean"] == pytest.approx(float(weight.mean()), abs=1e-3)
    assert row["sd"] == pytest.approx(float(weight.std(correction=0)), abs=1e-3)
    outside = float(((weight < 0) | (weight > 1)).double().mean())
    assert row["outside"] == pytest.approx(outside, abs=2e-3)
    assert 0 < row["attention_mean"] < 1
    assert (row["outside"] > 0.1) == (gate == "product")
    assert set(rows) == {("en",), ("de",)}


def test_pipelines_without_are_told(bert: str) -> None:
    nlp = trained(bert, ["tagger"], "last", steps=0)
    for rows in (weight_rows, gate_rows):
        with pytest.raises(ValueError, match="Fix:"):
            list(rows(nlp, docs_of(nlp)))


TEXTS = {
    "en": ["Anna lives in Berlin", "the un", "able", "ed in Berlin"],
    "de": ["Berlin", "", "un"],
}


def test_drift_is_nothing_without_training(bert: str) -> None:
    for row in drift_rows(encoder_pipeline(bert), pipeline(bert), TEXTS):
        assert row["drift"] == pytest.approx(0, abs=1e-6)
        if row["language"] == "en":
            assert row["cka_linear"] == pytest.approx(1) and row["cka_rbf"] == pytest.approx(1)


def test_drift_is_seen_from_the_layer_that_changed(bert: str) -> None:
    base, tuned = encoder_pipeline(bert), pipeline(bert)
    encoder = encoder_of(tuned)
    encoder.load()
    with torch.no_grad():
        encoder.transformer.encoder.layer[2].output.dense.weight.neg_()
    before = encoder_of(base).attrs["get_spans"]
    rows = by(list(drift_rows(base, tuned, TEXTS, size=2)), "language", "layer")
    assert encoder_of(base).attrs["get_spans"] is before
    for layer in range(5):
        row = rows["en", layer]
        assert (row["drift"] > 0.01) == (layer >= 3), layer
        assert row["pieces"] == 15 and row["n"] == 4
    states = []
    for nlp in (base, tuned):
        batches = [encoder_of(nlp).encode([nlp.make_doc(text)], [3]) for text in TEXTS["en"]]
        states.append(numpy.concatenate([batch.states[3][1:-1] for batch in batches]))
    cosines = (states[0] * states[1]).sum(1) / numpy.prod(
        [numpy.linalg.norm(s, axis=1) for s in states], axis=0
    )
    assert rows["en", 3]["drift"] == pytest.approx(1 - cosines.mean(), abs=1e-5)


def test_drift_between_different_encoders_is_refused(bert: str, tmp_path: Any) -> None:
    from tiny import tiny_bert, tiny_xlm_roberta

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    shallow = tiny_bert(tmp_path / "a", num_hidden_layers=2)
    with pytest.raises(ValueError, match="4 layers.*Fix:"):
        list(drift_rows(encoder_pipeline(bert), encoder_pipeline(shallow), TEXTS))
    other = tiny_xlm_roberta(tmp_path / "b")
    with pytest.raises(ValueError, match="wordpieces.*Fix:"):
        list(drift_rows(encoder_pipeline(bert), encoder_pipeline(other), TEXTS))


def test_translations_lie_together_on_the_plane() -> None:
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(12, 6))
    y = x + 0.01 * rng.normal(size=(12, 6))
    names = [(f"a{i}", f"b{i}") for i in range(12)]
    rows = tsne_rows(x, y, "de", names, perplexity=3)
    assert [row["text"] for row in rows] == [a for a, _ in names] + [b for _, b in names]
    assert rows == tsne_rows(x, y, "de", names, perplexity=3)
    points = numpy.array([[row["x"], row["y"]] for row in rows])
    distance = numpy.linalg.norm(points[:12, None] - points[None, 12:], axis=2)
    assert (distance.argmin(axis=1) == numpy.arange(12)).mean() > 0.9
    with pytest.raises(ValueError, match="Fix:"):
        tsne_rows(x[:2], y[:2], "de")
