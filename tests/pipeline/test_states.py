"""Sentence and word vectors of every layer, and the parallel text that they come from."""

from pathlib import Path

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from tiny import layers_of
from transformers import AutoModel, AutoTokenizer

from dlfa_spacy.analysis.curves import CkaOptions, KnownStates, cka_rows, retrieval_rows
from dlfa_spacy.analysis.raw_text import raw_files, read_raw
from dlfa_spacy.analysis.words import word_pairs
from dlfa_spacy.parallel.pair import SentencePair
from dlfa_spacy.parallel.text import ParallelText, parallel_files, read_parallel
from dlfa_spacy.pipeline.sources import encoder_pipeline, open_source, source_name
from dlfa_spacy.pipeline.states import all_sentence_states, sentence_states

TEXTS = ["Anna lives in Berlin", "the", "", "unable Anna in the Berlin lives", "Berlin 12"]


@pytest.fixture(scope="module")
def nlp(bert: str) -> Language:
    return encoder_pipeline(bert)


def plain_states(folder: str, text: str) -> torch.Tensor:
    """`(S, E)`: the mean over the pieces between the special tokens, by transformers alone."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder)
    model.eval()
    with torch.no_grad():
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        output = model(ids, output_hidden_states=True)
    return torch.stack([layer[0, 1:-1].mean(dim=0) for layer in layers_of(output)])


def test_sentence_vectors_are_those_of_plain_transformers(any_encoder: str) -> None:
    found = all_sentence_states(encoder_pipeline(any_encoder), TEXTS)
    assert found.shape == (5, 5, 32)
    assert not found[:, 2].any()
    for i in (0, 1, 3, 4):
        expected = plain_states(any_encoder, TEXTS[i]).numpy()
        numpy.testing.assert_allclose(found[:, i], expected, atol=2e-5)


@given(
    texts=st.lists(st.sampled_from([*TEXTS, "x" * 90, "Anna " * 70]), max_size=7),
    size=st.integers(1, 9),
)
@settings(max_examples=15, deadline=None)
def test_batches_do_not_matter(nlp: Language, texts: list[str], size: int) -> None:
    whole = all_sentence_states(nlp, texts, batch_size=100)
    assert whole.shape == (5, len(texts), 32)
    numpy.testing.assert_allclose(all_sentence_states(nlp, texts, None, size), whole, atol=1e-5)


def test_layers_come_as_asked(nlp: Language) -> None:
    everything = all_sentence_states(nlp, TEXTS)
    some = all_sentence_states(nlp, TEXTS, [-1, 0, 2])
    numpy.testing.assert_allclose(some, everything[[4, 0, 2]], atol=1e-5)
    with pytest.raises(ValueError, match="Fix:"):
        all_sentence_states(nlp, TEXTS, [5])


def test_a_stream_is_read_batch_by_batch(nlp: Language) -> None:
    read = []

    def stream():  # type: ignore[no-untyped-def]
        for text in TEXTS:
            read.append(text)
            yield text

    next(sentence_states(nlp, stream(), batch_size=2))
    assert len(read) == 2


def test_a_pipeline_is_opened_and_an_encoder_and_nothing_else(bert: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    encoder_pipeline(bert).to_disk(tmp_path / "run" / "model-best")
    for name in (bert, str(tmp_path / "run" / "model-best")):
        assert all_sentence_states(open_source(name), ["Anna"]).shape == (5, 1, 32)
    assert source_name(str(tmp_path / "run" / "model-best")) == "run"
    with pytest.raises(ValueError, match="Fix:"):
        open_source(str(tmp_path / "nothing"))
    import spacy

    spacy.blank("xx").to_disk(tmp_path / "empty")
    with pytest.raises(ValueError, match="no encoder.*Fix:"):
        open_source(str(tmp_path / "empty"))


def pair(foreign: str, english: str, *links: tuple[int, int]) -> SentencePair:
    return SentencePair("de", foreign.split(), english.split(), list(links), foreign, english)


def test_word_vectors_are_those_of_the_linked_words(nlp: Language) -> None:
    from dlfa_spacy import layer_states

    pairs = [
        # Only 0-1 and 3-2 link one word with one word.
        pair("Anna lives in Berlin", "the Anna Berlin ed", (0, 1), (1, 0), (1, 3), (3, 2)),
        pair("the", "the"),
        pair("ed Anna", "Anna ed", (0, 1), (1, 0)),
    ]
    found = word_pairs(nlp, pairs, [1, -1])
    assert found.words == [("Anna", "Anna"), ("Berlin", "Berlin"), ("ed", "ed"), ("Anna", "Anna")]
    states = layer_states(nlp.make_doc("Anna lives in Berlin"), nlp=nlp, layers=[1, -1])
    numpy.testing.assert_allclose(found.foreign[:, :2], states[:, [0, 3]], atol=1e-5)
    states = layer_states(nlp.make_doc("Anna ed"), nlp=nlp, layers=[1, -1])
    numpy.testing.assert_allclose(found.english[:, 2:], states[:, [1, 0]], atol=1e-5)
    assert len(word_pairs(nlp, pairs, limit=3).words) == 3
    with pytest.raises(ValueError, match="third column.*Fix:"):
        word_pairs(nlp, pairs[1:2])


def text_of(n: int) -> ParallelText:
    words = ["Anna", "lives", "in", "Berlin", "the", "un", "able"]
    rng = numpy.random.default_rng(0)
    sentences = [" ".join(rng.choice(words, size=5 + i % 4)) + f" {i}" for i in range(n)]
    return ParallelText("de", [pair(s + " ed", s) for s in sentences])


def test_curves_see_translations_and_not_shuffled_pairs(nlp: Language) -> None:
    text = text_of(24)
    english = KnownStates(nlp)
    rows = list(cka_rows(nlp, text, english, CkaOptions(size=8)))
    assert {(row["layer"], row["kernel"], row["debiased"]) for row in rows} == {
        (layer, kernel, debiased)
        for layer in range(5)
        for kernel in ("linear", "rbf")
        for debiased in (True, False)
    }
    for row in rows:
        assert row["batches"] == 3 and row["n"] == 24 and row["sd"] >= 0
        assert row["cka"] > 0.7 and row["cka"] > row["shuffled"] + 0.2
        if not row["debiased"]:
            # What a table without the control would take for similarity.
            assert row["shuffled"] > 0.2
    found = list(retrieval_rows(nlp, text, english))
    assert len(found) == 10
    for row in found:
        assert row["csls_to_en"] > 0.8 and row["n"] == 24
        assert row["mean_cosine"] > row["shuffled_cosine"]


def test_what_is_known_is_not_encoded_again(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    states = KnownStates(nlp, [0, -1])
    first = states(["Anna", "the", "Anna"])
    assert first.shape == (2, 3, 32)
    monkeypatch.setattr("dlfa_spacy.analysis.curves.all_sentence_states", None)
    assert (states(["the", "Anna"]) == first[:, [1, 0]]).all()


def test_parallel_files(tmp_path: Path) -> None:
    (tmp_path / "de-en.tsv").write_text("\ufeffeins\tone\n\nzwei\ttwo\t0-0\neins\tuno\ndrei\tone\n")
    (tmp_path / "zh-Hant-en.tsv").write_text("一\tone\n", encoding="utf-8")
    assert list(parallel_files(tmp_path)) == ["de", "zh-Hant"]
    assert parallel_files(tmp_path / "de-en.tsv") == {"de": tmp_path / "de-en.tsv"}
    text = read_parallel(tmp_path / "de-en.tsv")
    assert text.foreign == ["eins", "zwei"] and text.english == ["one", "two"]
    assert text.repeated == 2 and text.pairs[1].links == [(0, 0)]
    assert len(read_parallel(tmp_path / "de-en.tsv", limit=1).pairs) == 1


@pytest.mark.parametrize(
    "content, message",
    [
        ("one\n", ":1: found 'one', expected foreign TAB English"),
        ("a\tb\n\tone\n", ":2: one of the two sides is empty"),
        ("a b\tc\t0-0 0-1\n", ":1: found '0-1'.*j below 1"),
        ("a b\tc\tx\n", ":1: found 'x'"),
        ("\n", "found no pair"),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "de-en.tsv").write_text(content)
    with pytest.raises(ValueError, match=f"(?s){message}.*Fix:"):
        read_parallel(tmp_path / "de-en.tsv")


def test_missing_text_is_an_error(tmp_path: Path) -> None:
    for read in (parallel_files, raw_files):
        with pytest.raises(ValueError, match="(?s)Fix:"):
            read(tmp_path)
    (tmp_path / "sentences.of.something.tsv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="cannot tell the languages"):
        parallel_files(tmp_path)
    (tmp_path / "de.txt").write_text("eins\n\n zwei \ndrei\n")
    assert read_raw(raw_files(tmp_path)["de"], limit=2) == ["eins", "zwei"]
    (tmp_path / "en.txt").write_text("\n")
    with pytest.raises(ValueError, match="empty.*Fix:"):
        read_raw(tmp_path / "en.txt")
