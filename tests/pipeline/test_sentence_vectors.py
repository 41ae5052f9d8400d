"""`dlfa_sentence_vectors`: similarity across languages, through batches, disks and processes."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from life import FACTORIES, initialized, pipeline
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example

from dlfa_spacy import layer_states
from dlfa_spacy.language import set_language
from dlfa_spacy.pipeline.encoders import encoder_of
from dlfa_spacy.pipeline.sbert_wk import sbert_wk
from dlfa_spacy.pipeline.sentence_vectors import attach
from dlfa_spacy.pipeline.sources import encoder_pipeline
from dlfa_spacy.pipeline.states import all_sentence_states

TEXTS = ["Anna lives in Berlin", "the un able", "", "Berlin", "unable Anna the lives in Berlin ed"]


def make(folder: str, **settings: Any) -> Language:
    nlp = encoder_pipeline(folder)
    nlp.add_pipe("dlfa_sentence_vectors", name="vectors", config=settings)
    return nlp


def cosine(a: NDArray, b: NDArray) -> float:
    return float(a @ b / numpy.linalg.norm(a) / numpy.linalg.norm(b))


@pytest.mark.parametrize("layers", [None, [2], [0, 1, -1]])
def test_the_vector_is_the_mean_of_the_layers(bert: str, layers: list[int] | None) -> None:
    nlp = make(bert, layers=layers)
    expected = all_sentence_states(nlp, TEXTS, layers or [-1]).mean(axis=0)
    docs = list(nlp.pipe(TEXTS))
    numpy.testing.assert_allclose([doc.vector for doc in docs], expected, atol=1e-5)
    assert docs[0].similarity(docs[4]) == pytest.approx(cosine(expected[0], expected[4]), abs=1e-5)
    assert docs[0].similarity(docs[2]) == 0.0
    assert docs[0].vector_norm == pytest.approx(numpy.linalg.norm(expected[0]), abs=1e-4)
    assert docs[0].has_vector and not docs[2].has_vector


def test_spans_and_tokens_point_where_their_wordpieces_do(bert: str) -> None:
    nlp = make(bert, layers=[3])
    doc = nlp("unable Anna the lives in Berlin ed")
    states = layer_states(doc, nlp=nlp, layers=[3])[0]
    pieces = encoder_of(nlp).segment([doc]).align.lengths
    for i, token in enumerate(doc):
        assert cosine(token.vector, states[i]) == pytest.approx(1, abs=1e-5)
    span = doc[1:4]
    wanted = (states[1:4] * pieces[1:4, None]).sum(axis=0)
    assert cosine(span.vector, wanted) == pytest.approx(1, abs=1e-5)
    assert span.similarity(doc[5]) == pytest.approx(cosine(wanted, states[5]), abs=1e-5)
    assert doc[1].similarity(doc[1]) == pytest.approx(1, abs=1e-5)
    assert doc[0:7].similarity(doc) == pytest.approx(1, abs=1e-5)


def test_sbert_wk(bert: str) -> None:
    nlp = make(bert, pooling="sbert_wk", layers=[1, 2, 3, 4])
    docs = list(nlp.pipe(TEXTS))
    encoder = encoder_of(nlp)
    for doc in docs:
        if not len(doc):
            assert not doc.vector.any()
            continue
        batch = encoder.encode([doc], [1, 2, 3, 4])
        states = torch.stack([batch.states[layer][1:-1] for layer in (1, 2, 3, 4)])
        expected = sbert_wk(states, torch.tensor([states.shape[1]]))[0]
        numpy.testing.assert_allclose(doc.vector, expected.numpy(), atol=1e-5)


def test_by_default_sbert_wk_reads_the_upper_two_thirds(bert: str) -> None:
    default, named = (
        make(bert, pooling="sbert_wk"),
        make(bert, pooling="sbert_wk", layers=[1, 2, 3, 4]),
    )
    numpy.testing.assert_array_equal(default(TEXTS[0]).vector, named(TEXTS[0]).vector)


@given(
    texts=st.lists(st.sampled_from([*TEXTS, "x" * 90, "Anna " * 70, " \n "]), max_size=7),
    size=st.integers(1, 9),
    pooling=st.sampled_from(["mean", "sbert_wk"]),
)
@settings(max_examples=12, deadline=None)
def test_batches_do_not_matter(bert: str, texts: list[str], size: int, pooling: str) -> None:
    nlp = make(bert, pooling=pooling)
    alone = [nlp(text).vector for text in texts]
    together = [doc.vector for doc in nlp.pipe(texts, batch_size=size)]
    assert len(alone) == len(together)
    for a, b in zip(alone, together, strict=True):
        numpy.testing.assert_allclose(a, b, atol=1e-4)
        assert numpy.isfinite(a).all()


def test_any_encoder(any_encoder: str) -> None:
    for pooling in ("mean", "sbert_wk"):
        nlp = make(any_encoder, pooling=pooling)
        a, b = nlp.pipe(["Anna lives in Berlin", "Anna lives in Berlin !"])
        assert 0.3 < a.similarity(b) < 1
    nlp = make(any_encoder, layers=[-1])
    doc = nlp("Anna lives in Berlin")
    batch = encoder_of(nlp).encode([doc], [4])
    rows = sorted(set(batch.windows.align.dataXd.tolist()))
    numpy.testing.assert_allclose(doc.vector, batch.states[4][rows].mean(dim=0), atol=1e-5)


@pytest.mark.parametrize("factory", FACTORIES)
def test_beside_other_components(bert: str, factory: str) -> None:
    nlp = initialized(pipeline(bert, ["tagger"], factory=factory))
    nlp.add_pipe("dlfa_sentence_vectors", config={"layers": [2]})
    docs = list(nlp.pipe(TEXTS))
    numpy.testing.assert_allclose(
        [doc.vector for doc in docs], all_sentence_states(nlp, TEXTS, [2])[0], atol=1e-5
    )
    # The encoder is asked also when its own component is switched off.
    with nlp.select_pipes(enable="dlfa_sentence_vectors"):
        numpy.testing.assert_allclose(nlp(TEXTS[0]).vector, docs[0].vector, atol=1e-5)


def texts_by_language() -> dict[str, list[str]]:
    return {"en": ["Anna lives", "the Berlin", "", "in"], "de": ["Berlin", "un able ed", "Anna 3"]}


def doc_in(nlp: Language, text: str, language: str | None) -> Doc:
    doc = nlp.make_doc(text)
    set_language(doc, language)
    return nlp(doc)


def test_centring_takes_away_the_mean_of_each_language(bert: str) -> None:
    nlp, raw = make(bert, center=True), make(bert)
    nlp.get_pipe("vectors").learn_means(texts_by_language())  # type: ignore[attr-defined]
    means = {
        language: numpy.mean([raw(text).vector for text in texts if text], axis=0)
        for language, texts in texts_by_language().items()
    }
    means["?"] = (means["en"] + means["de"]) / 2
    text = "Anna lives in Berlin"
    for language, mean in means.items():
        found = doc_in(nlp, text, language)
        numpy.testing.assert_allclose(found.vector, raw(text).vector - mean, atol=1e-5)
        # Of a token, its share is taken away.
        wanted = layer_states(found, nlp=nlp, layers=[-1])[0][1] - mean
        assert cosine(found[1].vector, wanted) == pytest.approx(1, abs=1e-4)
    total = sum(doc_in(nlp, text, "de").vector for text in texts_by_language()["de"])
    numpy.testing.assert_allclose(total, 0, atol=1e-5)


def test_means_are_learned_at_initialize_and_saved(bert: str, tmp_path: Path) -> None:
    nlp = make(bert, center=True)

    def examples() -> list[Example]:
        found = []
        for language, texts in texts_by_language().items():
            for text in filter(None, texts):
                reference = nlp.make_doc(text)
                set_language(reference, language)
                found.append(Example(nlp.make_doc(text), reference))
        return found

    nlp.initialize(examples)
    other = make(bert, center=True)
    other.get_pipe("vectors").learn_means(texts_by_language())  # type: ignore[attr-defined]
    expected = doc_in(other, TEXTS[0], "de").vector
    numpy.testing.assert_allclose(doc_in(nlp, TEXTS[0], "de").vector, expected, atol=1e-5)
    nlp.to_disk(tmp_path)
    for again in (spacy.load(tmp_path), make(bert, center=True).from_bytes(nlp.to_bytes())):
        numpy.testing.assert_allclose(doc_in(again, TEXTS[0], "de").vector, expected, atol=1e-5)


def test_processes_and_serialised_docs_keep_the_vectors(bert: str) -> None:
    nlp = make(bert, layers=[1])
    expected = [doc.vector for doc in nlp.pipe(TEXTS)]
    with warnings.catch_warnings():
        # spaCy says that hooks do not travel; the vectors do.
        warnings.filterwarnings("ignore", message=r".*W(109|007|008)")
        docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=2))
        numpy.testing.assert_allclose(
            [doc.vector for doc in docs if len(doc)],
            [vector for vector, text in zip(expected, TEXTS, strict=True) if text],
            atol=1e-5,
        )
        wanted = cosine(expected[0], expected[4])
        assert docs[0].similarity(docs[4]) == pytest.approx(wanted, abs=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert attach(docs[0]).similarity(attach(docs[4])) == pytest.approx(wanted, abs=1e-5)
        bins = DocBin(attrs=["ORTH"], docs=list(nlp.pipe(TEXTS)), store_user_data=True)
        assert len(bins) == len(TEXTS)


def test_a_pickled_component_takes_its_encoder_along(bert: str) -> None:
    nlp = make(bert, layers=[2])
    component = nlp.get_pipe("vectors")
    copy = pickle.loads(pickle.dumps(component))
    docs = [nlp.make_doc(text) for text in TEXTS]
    expected = component.vectors(docs)  # type: ignore[attr-defined]
    numpy.testing.assert_allclose(copy.vectors(docs), expected, atol=1e-6)
    assert copy.encoder is not component.encoder  # type: ignore[attr-defined]


def test_what_is_missing_is_said(bert: str) -> None:
    with pytest.raises(ValueError, match="learn_means.*"):
        make(bert, center=True)("Anna")
    with pytest.raises(ValueError, match="(?s)pooling.*Fix:"):
        make(bert, pooling="max")
    for wrong in ({"layers": []}, {"layers": [1, 1], "pooling": "sbert_wk"}):
        with pytest.raises(ValueError, match="(?s)layers.*Fix:"):
            make(bert, **wrong)
    with pytest.raises(ValueError, match="(?s)upstream.*Fix:"):
        make(bert, upstream="other")("Anna")
    with pytest.raises(ValueError, match="(?s)'de'.*Fix:"):
        make(bert).get_pipe("vectors").learn_means({"de": [""]})  # type: ignore[attr-defined]
    nlp = spacy.blank("xx")
    nlp.add_pipe("dlfa_sentence_vectors")
    with pytest.raises(ValueError, match="(?s)no encoder.*Fix:"):
        nlp("Anna")
