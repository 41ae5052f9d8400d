"""Per-language centering of a trained pipeline: means meet, nothing else moves, and it is saved."""

from pathlib import Path

import numpy
import pytest
import spacy
from life import FACTORIES, examples, listener, pipeline, trained
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.alignment.centring import center_languages
from dlfa_spacy.language import set_language
from dlfa_spacy.recipes import listeners

TEXTS = {
    "en": ["Anna lives in Berlin", "the able"],
    "de": ["Berlin  in", "ed un un the Anna"],
    "ru": ["Анна ed", "the Берлин"],
}


def docs(nlp: Language, *languages: str) -> list[Doc]:
    made = []
    for language in languages:
        for text in TEXTS[language]:
            doc = nlp.make_doc(text)
            set_language(doc, language)
            made.append(doc)
    return made


def vectors(nlp: Language, component: str, texts: list[Doc]) -> list[numpy.ndarray]:
    """RETURNS: `(n_tokens, E)` of each Doc, as the component's head reads them."""
    nodes = list(nlp.get_pipe(component).model.walk())  # type: ignore[attr-defined]
    mapped = [node for node in nodes if node.name == "mapped-tokens"]
    (layer,) = mapped or [node for node in nodes if node.has_ref("listener")]
    encoded = list(nlp.get_pipe("transformer").pipe(texts))  # type: ignore[attr-defined]
    return [numpy.asarray(found) for found in layer.predict(encoded)]


def mean(rows: list[numpy.ndarray]) -> numpy.ndarray:
    joined = numpy.concatenate(rows)
    return joined[joined.any(axis=1)].mean(axis=0)


@pytest.fixture(params=FACTORIES)
def nlp(request: pytest.FixtureRequest, bert: str) -> Language:
    return trained(bert, ["tagger", "ner"], factory=request.param)


@pytest.mark.parametrize("component", ["tagger", "ner"])
def test_the_mean_of_every_language_becomes_the_english_one(nlp: Language, component: str) -> None:
    before = {name: mean(vectors(nlp, component, docs(nlp, name))) for name in TEXTS}
    counts = center_languages(nlp, docs(nlp, *TEXTS), batch_size=3)
    # Two blanks are a token of white space, which has no vector.
    assert counts == {"en": 6, "de": 7, "ru": 4}
    for name in TEXTS:
        found = mean(vectors(nlp, component, docs(nlp, name)))
        assert_allclose(found, before["en"], atol=1e-5)
    assert not numpy.allclose(before["de"], before["en"], atol=1e-2)


def test_english_and_texts_without_a_language_stay_as_they_are(nlp: Language) -> None:
    plain = nlp.make_doc(TEXTS["de"][1])
    texts = [*docs(nlp, "en"), plain]
    before = vectors(nlp, "ner", texts)
    center_languages(nlp, docs(nlp, *TEXTS))
    for found, expected in zip(vectors(nlp, "ner", texts), before, strict=True):
        assert numpy.array_equal(found, expected)


def test_a_centred_pipeline_is_saved_and_loaded(nlp: Language, tmp_path: Path) -> None:
    center_languages(nlp, docs(nlp, *TEXTS))
    nlp.to_disk(tmp_path / "centred")
    loaded = spacy.load(tmp_path / "centred")
    for name in ("tagger", "ner"):
        block = loaded.config["components"][name]["model"]["tok2vec"]
        assert block["@architectures"] == "dlfa_spacy.MappedTokens.v1"
        assert listeners(block) == [block["tok2vec"]]
        texts = docs(nlp, *TEXTS)
        pairs = zip(vectors(nlp, name, texts), vectors(loaded, name, texts), strict=True)
        for expected, found in pairs:
            assert_allclose(found, expected, atol=1e-5)
    for one, two in zip(nlp.pipe(docs(nlp, "de")), loaded.pipe(docs(nlp, "de")), strict=True):
        assert [token.tag_ for token in one] == [token.tag_ for token in two]


def test_without_english_or_another_language_nothing_changes(nlp: Language) -> None:
    before = nlp.to_bytes(exclude=["vocab"])
    for languages in (["de"], ["en"], []):
        with pytest.raises(ValueError, match=r"found \[.*Fix"):
            center_languages(nlp, docs(nlp, *languages))
    assert nlp.to_bytes(exclude=["vocab"]) == before


def test_a_centred_pipeline_is_not_centred_again(nlp: Language) -> None:
    center_languages(nlp, docs(nlp, *TEXTS))
    before = nlp.to_bytes(exclude=["vocab"])
    with pytest.raises(ValueError, match="tagger, ner are mapped.*Fix"):
        center_languages(nlp, docs(nlp, *TEXTS))
    assert nlp.to_bytes(exclude=["vocab"]) == before


def test_a_classifier_of_sequences_stays_as_it_is(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger"])
    classifier = {"@architectures": "dlfa_spacy.TextCat.v1", "tok2vec": listener("attention")}
    textcat = nlp.add_pipe("textcat", config={"model": {**classifier, "exclusive_classes": True}})
    for label in ("A", "B"):
        textcat.add_label(label)  # type: ignore[attr-defined]
    textcat.initialize(lambda: examples(nlp), nlp=nlp)  # type: ignore[attr-defined]
    before = [doc.cats for doc in nlp.pipe(docs(nlp, "de"))]
    center_languages(nlp, docs(nlp, *TEXTS))
    nlp.to_disk(tmp_path / "centred")
    for made in (nlp, spacy.load(tmp_path / "centred")):
        assert [doc.cats for doc in made.pipe(docs(nlp, "de"))] == before
    nlp.remove_pipe("tagger")
    with pytest.raises(ValueError, match="TransformerListener.*Fix"):
        center_languages(nlp, docs(nlp, *TEXTS))


def test_a_pipeline_that_does_not_listen_is_an_error(bert: str) -> None:
    nlp = pipeline(bert, [])
    with pytest.raises(ValueError, match="TransformerListener.*Fix"):
        center_languages(nlp, docs(nlp, *TEXTS))
