"""`dlfa_language`: settings, spans, pairs, batches, processes, with lingua and its twin."""

import importlib.util
import multiprocessing
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from places import ROOT
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Example

from dlfa_spacy.language import get_language, set_language
from dlfa_spacy.pairs import join_pair
from dlfa_spacy.pipeline.sources import encoder_pipeline

TWIN = str(ROOT / "tests" / "util" / "lingua_twin")
TEXTS = {
    "Das ist ein Haus und nicht ein Garten": "de",
    "This is a house and not the garden": "en",
    "Le jardin est une maison et pas": "fr",
    "这是 北京 大学": "zh",
    "": None,
    " \n\t ": None,
    "12 + 30 = 42!": None,
    "\0": None,
    "\U0001f600 \U0001f600": None,
}


def forget_lingua() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "lingua"]:
        del sys.modules[name]


@pytest.fixture(params=["twin", "lingua"], autouse=True)
def lingua(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The twin always, lingua where it is installed."""
    forget_lingua()
    if request.param == "twin":
        monkeypatch.syspath_prepend(TWIN)
    elif importlib.util.find_spec("lingua") is None:
        pytest.skip('pip install "dlfa_spacy[language]" to run this test with lingua itself')
    yield request.param
    forget_lingua()


def make(**settings: Any) -> Language:
    nlp = spacy.blank("xx")
    nlp.add_pipe("dlfa_language", name="language", config=settings)
    return nlp


def test_languages_of_texts_and_of_what_is_none() -> None:
    nlp = make()
    for doc, language in zip(nlp.pipe(TEXTS, batch_size=2), TEXTS.values(), strict=True):
        assert doc._.language == get_language(doc) == language
        if language is None:
            assert doc._.language_confidence == 0.0
        else:
            assert 0.7 <= doc._.language_confidence <= 1


def test_below_the_threshold_a_language_is_unknown_and_its_confidence_is_kept() -> None:
    text = "this is das ist"
    sure = make(threshold=0.0, languages=["de", "en"])(text)
    assert sure._.language in ("de", "en")
    unsure = make(threshold=1.0, languages=["de", "en"])(text)
    assert unsure._.language is None
    # lingua adds up in any order: the last bits differ from call to call.
    assert unsure._.language_confidence == pytest.approx(sure._.language_confidence)
    assert sure._.language_confidence > 0


def test_too_few_letters_are_unknown() -> None:
    text = "北京 12!"
    assert make(min_length=2)(text)._.language == "zh"
    doc = make(min_length=3)(text)
    assert (doc._.language, doc._.language_confidence) == (None, 0.0)


def test_only_the_beginning_is_read() -> None:
    text = "This is a house and not the garden. " + "北京 " * 500
    assert make(max_length=35)(text)._.language == "en"
    assert make(max_length=100_000)(text)._.language == "zh"
    assert make()("Das ist ein Haus. " * 50_000)._.language == "de"


def test_languages_to_choose_among() -> None:
    assert make(languages=["de", "fr"])("Das ist ein Haus")._.language == "de"
    assert make(languages=["en", "fr"], threshold=0.99)("北京 北京")._.language is None


def test_what_somebody_set_stays_unless_it_is_to_be_overwritten() -> None:
    for overwrite, language in ((False, "fr"), (True, "de")):
        nlp = make(overwrite=overwrite)
        doc = nlp.make_doc("Das ist ein Haus und nicht ein Garten")
        set_language(doc, "fr")
        doc = nlp(doc)
        assert doc._.language == language
        assert (doc._.language_confidence is None) == (not overwrite)


@pytest.mark.parametrize("settings", [{}, {"high_accuracy": True, "threshold": 0.5}])
def test_sentences_of_a_mixed_text(settings: dict[str, Any]) -> None:
    nlp = make(sentences=True, languages=["de", "en", "fr"], **settings)
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp("Das ist ein Haus und nicht ein Garten. This is a house and not the garden. 12.")
    assert [sent._.language for sent in doc.sents] == ["de", "en", None]
    assert [sent._.language_confidence > 0 for sent in doc.sents] == [True, True, False]
    assert nlp("")._.language is None


def test_spans_of_a_group() -> None:
    nlp = make(spans_key="quotes")
    doc = nlp.make_doc("He said: das ist ein Haus und nicht ein Garten")
    doc.spans["quotes"] = [Span(doc, 3, len(doc))]
    doc.spans["others"] = [Span(doc, 0, 2)]
    nlp(doc)
    assert [span._.language for span in doc.spans["quotes"]] == ["de"]
    assert [span._.language for span in doc.spans["others"]] == [None]
    assert nlp("Das ist ein Haus und ein Garten")._.language == "de"


def test_sentences_that_are_not_there_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"(?s)\[components.language\] sentences.*Fix:"):
        make(sentences=True)("Das ist ein Haus und nicht ein Garten")


def test_a_pair_has_the_language_of_its_first_text_or_else_of_its_second() -> None:
    german, english = list(TEXTS)[:2]
    nlp = make()
    for first, second, language in (
        (german, english, "de"),
        (english, f"{german} {german}", "en"),
        ("", german, "de"),
        ("12", german, "de"),
        (german, "", "de"),
        ("", "", None),
    ):
        assert nlp(join_pair(first, second)[0])._.language == language


@pytest.mark.parametrize(
    "wrong",
    [
        {"languages": ["de"]},
        {"languages": []},
        {"threshold": 1.5},
        {"threshold": -0.1},
        {"min_length": 0},
        {"max_length": 0},
    ],
)
def test_wrong_settings_name_their_key_and_a_fix(wrong: dict[str, Any]) -> None:
    (key,) = wrong
    with pytest.raises(ValueError, match=rf"(?s)^\[components.language\] {key}.*expected.*Fix:"):
        make(**wrong)


def test_a_language_that_the_detector_does_not_know_is_an_error_with_the_first_text() -> None:
    nlp = make(languages=["de", "no"])
    with pytest.raises(ValueError, match=r"(?s)^\[components.language\] languages.*no is.*Fix:"):
        nlp("Das ist ein Haus")


def test_without_lingua_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    nlp = make()
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(ImportError, match=r'pip install "dlfa_spacy\[language\]"'):
        nlp("Das ist ein Haus")


def test_neither_the_package_nor_the_component_imports_lingua_before_the_first_text() -> None:
    code = """
import sys, spacy
nlp = spacy.blank("xx")
nlp.add_pipe("dlfa_language")
nlp("123")
assert "lingua" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_saved_it_is_its_settings(tmp_path: Path) -> None:
    nlp = make(languages=["de", "en"], threshold=0.6)
    text = next(iter(TEXTS))
    expected = nlp(text)._.language_confidence
    nlp.to_disk(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) < 50_000
    copies = [spacy.load(tmp_path), make().from_bytes(nlp.to_bytes()), nlp.from_disk(tmp_path)]
    copies.append(spacy.blank("xx"))
    copies[-1].add_pipe("language", source=nlp)
    for again in copies:
        assert again(text)._.language == "de"
    assert copies[0](text)._.language_confidence == pytest.approx(expected)
    # Older confection reads the numbers of a config to the last bit but one.
    threshold = copies[0].get_pipe("language").threshold  # type: ignore[attr-defined]
    assert threshold == pytest.approx(0.6)
    assert pickle.loads(pickle.dumps(nlp.get_pipe("language")))._detector is None


def test_docs_keep_it_in_bytes_and_docbins() -> None:
    nlp = make(sentences=True)
    nlp.add_pipe("sentencizer", first=True)
    doc = nlp("Das ist ein Haus und nicht ein Garten. This is a house and not the garden.")
    bins = DocBin(docs=[doc], store_user_data=True)
    for again in (Doc(nlp.vocab).from_bytes(doc.to_bytes()), *bins.get_docs(nlp.vocab)):
        assert again._.language == doc._.language
        assert [sent._.language for sent in again.sents] == ["de", "en"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    monkeypatch.setattr(spacy.language, "mp", multiprocessing.get_context(method))
    nlp = make()
    # The parent has a detector already: a process that is forked takes it over.
    assert [doc._.language for doc in nlp.pipe(TEXTS)] == list(TEXTS.values())
    docs = list(nlp.pipe(TEXTS, n_process=2, batch_size=3))
    assert [doc._.language for doc in docs] == list(TEXTS.values())
    assert [doc._.language_confidence > 0 for doc in docs] == [
        x is not None for x in TEXTS.values()
    ]


def test_threads_share_one_component() -> None:
    nlp = make()
    texts = list(TEXTS) * 10
    begin = threading.Barrier(4)

    def found(number: int) -> list[str | None]:
        begin.wait()
        return [nlp(text)._.language for text in texts]

    with ThreadPoolExecutor(4) as pool:
        assert all(answers == list(TEXTS.values()) * 10 for answers in pool.map(found, range(4)))


def test_sentence_vectors_of_an_unknown_language_are_centred_on_the_mean_of_all(bert: str) -> None:
    nlp = encoder_pipeline(bert)
    nlp.add_pipe("dlfa_language", first=True)
    vectors = nlp.add_pipe("dlfa_sentence_vectors", config={"center": True})
    vectors.learn_means({"de": ["Berlin"], "en": ["Anna"]})  # type: ignore[attr-defined]
    for text, mean in (("12", ""), ("Das ist ein Haus und nicht ein Garten", "de")):
        doc = nlp(text)
        with nlp.select_pipes(enable="dlfa_sentence_vectors"):
            plain = nlp.make_doc(text)
            vectors.center = False  # type: ignore[attr-defined]
            plain = nlp(plain)
            vectors.center = True  # type: ignore[attr-defined]
        wanted = plain.vector - vectors.means[mean]  # type: ignore[attr-defined]
        numpy.testing.assert_allclose(doc.vector, wanted, atol=1e-5)


def test_texts_of_unknown_languages_do_not_count_as_a_language(bert: str) -> None:
    nlp = encoder_pipeline(bert)
    vectors: Any = nlp.add_pipe("dlfa_sentence_vectors", config={"center": True})

    def examples(*languages: str | None) -> list[Example]:
        made = []
        for language in languages:
            doc = nlp.make_doc("Anna" if language == "en" else "in Berlin")
            set_language(doc, language)
            made.append(Example(nlp.make_doc(doc.text), doc))
        return made

    vectors.initialize(lambda: examples("en", "de", None))
    assert set(vectors.means) == {"en", "de", ""}
    vectors.initialize(lambda: examples(None, None))
    assert set(vectors.means) == {"?", ""}
    with pytest.raises(ValueError, match="(?s)No text.*Fix:"):
        vectors.initialize(lambda: [])


def test_the_factory_says_what_it_assigns() -> None:
    meta = Language.get_factory_meta("dlfa_language")
    assert list(meta.assigns) == ["doc._.language", "doc._.language_confidence"]
