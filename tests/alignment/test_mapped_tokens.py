"""The maps of `clbt` in a pipeline: chosen by language, the identity elsewhere, saved with it."""

from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from life import gold_docs
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import Model

from dlfa_spacy.alignment.mapped_tokens import build_mapped_tokens_v1
from dlfa_spacy.alignment.methods import LanguageMaps
from dlfa_spacy.language import set_language

TEXT = "Anna lives in Berlin"


@pytest.fixture
def maps(tmp_path: Path) -> LanguageMaps:
    torch.manual_seed(0)
    found = LanguageMaps(32, ["de", "ru"])
    for tensor in (found.weights.data, found.means, found.english):
        tensor += torch.randn(tensor.shape)
    (tmp_path / "maps").mkdir()
    found.save(tmp_path / "maps")
    return found


def make(encoder: str, folder: Path) -> Language:
    nlp = spacy.blank("xx")
    model = {"@architectures": "dlfa_spacy.TransformerModel.v1", "name": encoder}
    nlp.add_pipe("dlfa_transformer", name="transformer", config={"model": model})
    listener = {
        "@architectures": "dlfa_spacy.TransformerListener.v1",
        "aggregation": {"@layers": "dlfa_spacy.LastLayer.v1"},
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    mapped = {
        "@architectures": "dlfa_spacy.MappedTokens.v1",
        "maps": str(folder / "maps"),
        "tok2vec": listener,
    }
    head = {"@architectures": "spacy.Tagger.v2", "tok2vec": mapped}
    nlp.add_pipe("tagger", config={"model": head})
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in gold_docs(nlp)]
    nlp.initialize(lambda: examples)
    # So that tags depend on the vectors.
    output = nlp.get_pipe("tagger").model.get_ref("output_layer")  # type: ignore[attr-defined]
    for node in output.walk():
        if node.has_param("W"):
            shape = node.get_param("W").shape
            node.set_param("W", numpy.random.default_rng(0).normal(size=shape).astype("f"))
    return nlp


def layer(nlp: Language) -> Model:
    model = nlp.get_pipe("tagger").model  # type: ignore[attr-defined]
    return next(node for node in model.walk() if node.name == "mapped-tokens")


def encoded(nlp: Language, text: str, language: str | None) -> Doc:
    doc = nlp.make_doc(text)
    set_language(doc, language)
    return nlp.get_pipe("transformer")(doc)  # type: ignore[operator]


def test_the_language_of_a_doc_chooses_its_map(
    bert: str, tmp_path: Path, maps: LanguageMaps
) -> None:
    nlp = make(bert, tmp_path)
    docs = [encoded(nlp, TEXT, language) for language in ("de", "ru", "en", None, "fr")]
    found = layer(nlp).predict(docs)
    plain = layer(nlp).layers[0].predict(docs)
    for i, language in enumerate(("de", "ru")):
        rows = torch.from_numpy(plain[i])
        expected = maps(rows, [language] * len(rows)).detach().numpy()
        assert_allclose(found[i], expected, rtol=1e-4, atol=1e-4)
    assert not numpy.allclose(found[0], found[1])
    for i in (2, 3, 4):
        assert numpy.array_equal(found[i], plain[i])


def test_white_space_keeps_its_zeros(bert: str, tmp_path: Path, maps: LanguageMaps) -> None:
    nlp = make(bert, tmp_path)
    doc = Doc(nlp.vocab, words=["Anna", " ", "Berlin"], spaces=[True, False, False])
    set_language(doc, "de")
    (found,) = layer(nlp).predict([nlp.get_pipe("transformer")(doc)])  # type: ignore[operator]
    assert found[0].any() and not found[1].any() and found[2].any()


def test_gradients_go_through_the_map_and_do_not_move_it(
    bert: str, tmp_path: Path, maps: LanguageMaps
) -> None:
    seen: list[Any] = []
    x = numpy.random.default_rng(1).normal(size=(3, 32)).astype("f")
    x[1] = 0

    def inner(model: Model, docs: list[Doc], is_train: bool) -> Any:
        return [x for _ in docs], lambda d: seen.append(d) or docs

    model = build_mapped_tokens_v1(str(tmp_path / "maps"), Model("inner", inner))
    nlp = spacy.blank("xx")
    docs = [Doc(nlp.vocab, words=["a", " ", "b"]) for _ in range(2)]
    set_language(docs[0], "ru")
    model.initialize(X=docs)
    before = {name: model.get_param(name).copy() for name in ("W", "means", "english")}
    _, backprop = model.begin_update(docs)
    d = numpy.random.default_rng(2).normal(size=(3, 32)).astype("f")
    backprop([d, d])
    rows = torch.from_numpy(x).requires_grad_()
    (maps(rows, ["ru"] * 3) * torch.from_numpy(d)).sum().backward()
    gradient = rows.grad
    assert gradient is not None
    assert_allclose(seen[0][0][[0, 2]], gradient[[0, 2]].numpy(), rtol=1e-4, atol=1e-4)
    assert numpy.array_equal(seen[0][1], d)
    model.finish_update(lambda *arguments: pytest.fail("a map has a gradient"))
    assert all(numpy.array_equal(model.get_param(k), v) for k, v in before.items())


def test_a_pipeline_keeps_its_maps_without_their_folder(
    bert: str, tmp_path: Path, maps: LanguageMaps
) -> None:
    nlp = make(bert, tmp_path)
    nlp.to_disk(tmp_path / "pipeline")
    (tmp_path / "maps" / "language_maps.safetensors").unlink()
    loaded = spacy.load(tmp_path / "pipeline")
    assert layer(loaded).attrs["languages"] == ["de", "ru"]
    for language in ("de", "ru", "en", None):
        docs = [encoded(pipeline, TEXT, language) for pipeline in (nlp, loaded)]
        one, two = (layer(p).predict([d])[0] for p, d in zip((nlp, loaded), docs, strict=True))
        assert numpy.array_equal(one, two)
        tags = [
            [t.tag_ for t in pipeline.get_pipe("tagger")(doc)]  # type: ignore[operator]
            for pipeline, doc in zip((nlp, loaded), docs, strict=True)
        ]
        assert tags[0] == tags[1]


def test_it_trains_on_a_frozen_encoder(bert: str, tmp_path: Path, maps: LanguageMaps) -> None:
    nlp = make(bert, tmp_path)
    examples = [Example(nlp.make_doc(doc.text), doc) for doc in gold_docs(nlp)]
    optimizer = nlp.resume_training()
    frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
    losses = [nlp.update(examples, sgd=optimizer, **frozen)["tagger"] for _ in range(8)]
    assert losses[-1] < losses[0]


def test_maps_that_do_not_fit_are_refused(bert: str, tmp_path: Path, maps: LanguageMaps) -> None:
    LanguageMaps(16, ["de"]).save(tmp_path / "maps")
    with pytest.raises(ValueError, match="vectors of width 16, and those here have 32"):
        make(bert, tmp_path)
    with pytest.raises(ValueError, match="Expected the result of the method clbt"):
        make(bert, tmp_path / "nowhere")
    model = build_mapped_tokens_v1(
        "x", Model("inner", lambda m, docs, is_train: ([], lambda d: []))
    )
    with pytest.raises(ValueError, match="has no maps yet.*Fix"):
        model.predict([])
