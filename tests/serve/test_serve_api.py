"""The API says what the pipeline says, refuses what it must, and repeats no text."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import textcats
from annotating import ruler
from life import TEXTS
from serving import Client, serving
from spacy.language import Language

from dlfa_spacy.analysis.gates import gate_rows
from dlfa_spacy.analysis.weights import weight_rows
from dlfa_spacy.pairs import join_pair
from dlfa_spacy.pipeline.inspection import layer_weights
from dlfa_spacy.serve import ServedPipeline, open_served
from dlfa_spacy.serve.batching import Batcher, Busy, Job
from dlfa_spacy.serve.rate import RateLimit

TEXT = "Anna lives in Berlin"


@pytest.fixture(scope="module")
def rules() -> Iterator[Client]:
    with serving([ServedPipeline("rules", ruler())], max_characters=100, max_bytes=2_000) as found:
        yield found


def test_a_text_has_the_annotations_of_the_pipeline(client: Client, nlp: Language) -> None:
    answer = client.post("/api/text", {"text": TEXT}).json()
    doc = nlp(TEXT)
    assert doc.ents
    assert answer["entities"] == [
        {
            "start": ent.start_char,
            "end": ent.end_char,
            "label": ent.label_,
            "confidence": pytest.approx(ent._.confidence, abs=1e-5),
        }
        for ent in doc.ents
    ]
    assert [token["pos"] for token in answer["tokens"]] == [token.pos_ for token in doc]
    sure = [token["confidence"] for token in answer["tokens"]]
    assert sure == pytest.approx([token._.pos_confidence for token in doc], abs=1e-5)
    assert answer["cats"] == pytest.approx(doc.cats, abs=1e-5)
    assert "layers" not in answer and "language" not in answer


def test_texts_are_annotated_in_their_order(client: Client) -> None:
    answers = client.post("/api/texts", {"texts": [*TEXTS, ""]}).json()["annotations"]
    assert len(answers) == len(TEXTS) + 1
    for text, answer in zip(TEXTS, answers, strict=False):
        alone = client.post("/api/text", {"text": text}).json()
        assert [t["pos"] for t in alone["tokens"]] == [t["pos"] for t in answer["tokens"]]
        assert alone["cats"] == pytest.approx(answer["cats"], abs=1e-5)
    assert answers[-1]["tokens"] == [] == answers[-1]["entities"]


def test_layers_by_token_are_those_of_the_aggregations(client: Client, nlp: Language) -> None:
    texts = [TEXT, "", "the un able Berlin"]
    answers = client.post("/api/texts", {"texts": texts, "layers": True}).json()["annotations"]
    docs = list(nlp.pipe(texts))
    found: dict[str, list[Any]] = {}
    for doc, answer in zip(docs, answers, strict=True):
        for layers in answer["layers"]:
            assert len(layers["tokens"]) == len(doc)
            found.setdefault(layers["component"], []).extend(layers["tokens"])
    # The others have the same for all texts.
    assert set(found) == {"ner", "morphologizer"}
    expected = [
        row["weight"]
        for row in weight_rows(nlp, docs)
        if (row["component"], row["language"], row["upos"]) == ("ner", "all", "all")
    ]
    numpy.testing.assert_allclose(numpy.mean(found["ner"], axis=0), expected, atol=1e-3)
    (gate,) = gate_rows(nlp, [docs[0]])
    own = numpy.array(answers[0]["layers"][1]["tokens"])
    assert [layer for layer in range(5) if own[:, layer].any()] == [gate["layer"], 4]
    numpy.testing.assert_allclose(own.sum(axis=1), 1, atol=1e-3)
    # Each word of this text is of as many wordpieces.
    numpy.testing.assert_allclose(own[:, gate["layer"]].mean(), gate["mean"], atol=0.1)


def test_it_says_what_it_serves(client: Client, nlp: Language) -> None:
    info = client.get("/api/info").json()
    (pipeline,) = info["pipelines"]
    assert pipeline["entities"] == ["LOC", "PER"] and pipeline["pos"] and pipeline["confidence"]
    assert pipeline["topics"] == ["A", "B"] and pipeline["pair_labels"] == []
    assert pipeline["languages"] == []
    # displaCy's.
    assert pipeline["colors"] == {"LOC": "#ff9561", "PER": "#aa9cfc"}
    layers = {layer["component"]: layer for layer in pipeline["layers"]}
    kinds = {name: (layer["weights"], layer["reads"]) for name, layer in layers.items()}
    assert kinds == {
        "ner": ("token", [0, 1, 2, 3, 4]),
        "morphologizer": ("gate", [2, 4]),
        "senter": ("all", [0, 1, 2, 3, 4]),
        "textcat": ("fixed", [0, 2, 4]),
    }
    assert layers["senter"]["shared"] == pytest.approx(layer_weights(nlp)["senter"], abs=1e-4)
    assert info["limits"]["max_characters"] == 10_000
    assert client.get("/health").json() == {"status": "ok"}


def test_a_pipeline_without_layers_is_served_too(rules: Client) -> None:
    (pipeline,) = rules.get("/api/info").json()["pipelines"]
    assert pipeline["entities"] == ["LOC", "PER"] and pipeline["layers"] == []
    answer = rules.post("/api/text", {"text": "Ada is in Rome.", "layers": True}).json()
    assert [ent["label"] for ent in answer["entities"]] == ["PER", "LOC"]
    assert answer["layers"] == []


def test_a_component_with_an_encoder_of_its_own_reads_that(nlp: Language) -> None:
    own = spacy.util.load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    own.replace_listeners("transformer", "ner", ["model.tok2vec"])
    served = ServedPipeline("own", own)
    first, second = (reader.encoder for reader in served.readers[:2])
    assert first is not second
    (answer,) = served.annotate([Job(TEXT, layers=True)])
    assert {layers["component"] for layers in answer["layers"]} == {"ner", "morphologizer"}


# Pairs


def test_a_pair_is_compared(bert: str) -> None:
    nlp = textcats.build(bert)
    textcat: Any = nlp.get_pipe("textcat")
    with serving([ServedPipeline("topics", nlp)]) as client:
        found = client.post("/api/pair", {"first": "Anna", "second": "Berlin"})
        assert found.status_code == 404 and "no classifier of pairs" in found.json()["error"]
    textcat.cfg["labels"] = labels = ["contradiction", "entailment", "neutral"]
    with serving([ServedPipeline("pairs", nlp)]) as client:
        info = client.get("/api/info").json()["pipelines"][0]
        assert info["pair_labels"] == labels and not info["topics"]
        answer = client.post("/api/pair", {"first": "Anna", "second": "Berlin"}).json()
        expected = nlp(join_pair("Anna", "Berlin")[0]).cats
        assert answer["cats"] == pytest.approx(expected, abs=1e-5)
        # They say nothing of a single text.
        assert client.post("/api/text", {"text": "Anna"}).json()["cats"] == {}


# Two pipelines


def test_a_request_chooses_its_pipeline(client: Client, tmp_path: Path) -> None:
    for name, label in (("a", "FIRST"), ("b", "SECOND")):
        nlp = spacy.blank("xx")
        ruler: Any = nlp.add_pipe("entity_ruler")
        ruler.add_patterns([{"label": label, "pattern": "Ada"}])
        (tmp_path / name).mkdir()
        nlp.to_disk(tmp_path / name / "same")
    served = open_served([str(tmp_path / name / "same") for name in ("a", "b")])
    with serving(served) as both:
        names = [one["name"] for one in both.get("/api/info").json()["pipelines"]]
        assert names == ["same", "same#2"]
        for name, label in ((None, "FIRST"), ("same", "FIRST"), ("same#2", "SECOND")):
            body = {"text": "Ada", "pipeline": name}
            (entity,) = both.post("/api/text", body).json()["entities"]
            assert entity["label"] == label
        found = both.post("/api/text", {"text": "Ada", "pipeline": "other"})
        assert found.status_code == 404 and "expected one of same, same#2" in found.json()["error"]


# Texts that nobody expects


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\0", "a\0b", "😀👩‍👩‍👧", "\u202e\u200d", "a" * 3_000, "( " * 4_000, "␞"]
)
def test_any_text_has_an_answer(text: str, client: Client) -> None:
    for body in ({"text": text, "layers": True}, {"first": text, "second": text}):
        found = client.post("/api/text" if "text" in body else "/api/pair", body)
        assert found.status_code == (200 if "text" in body else 404)
        assert all(token["end"] <= len(text) for token in found.json().get("tokens", []))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"text": "\\ud800 half"}', 200, ""),
        (b'{"\\ud800": 1, "text": "a"}', 422, "body"),
        (b"{", 422, "JSON"),
        (b'{"text": "\xff"}', 400, "error parsing the body"),
        (b"[" * 1_900, 400, "error parsing the body"),
        (b'{"text": 1}', 422, "body.text: Input should be a valid string"),
        (b'{"text": "secret", "layer": true}', 422, "body.layer: Extra inputs"),
        (b"{}", 422, "body.text: Field required"),
        (b"null", 422, "body"),
        (json.dumps({"text": "secret " * 20}).encode(), 413, "140 characters: expected at most"),
        (b'{"text": "' + b"secret " * 400 + b'"}', 413, "more than 2,000 bytes"),
        (b'{"text": "secret FAIL"}', 500, "failed on a text (RuntimeError)"),
    ],
)
def test_what_is_wrong_is_said_and_no_text_repeated(
    body: bytes, status: int, said: str, rules: Client
) -> None:
    headers = {"Content-Type": "application/json"}
    found = rules.post("/api/text", data=body, headers=headers)
    assert found.status_code == status
    if status != 200:
        assert set(found.json()) == {"error"} and said in found.json()["error"]
    assert "secret" not in found.text


def test_of_many_mistakes_some_are_told(rules: Client) -> None:
    found = rules.post("/api/text", {"a" * 400: 1, **{f"field {n}": 1 for n in range(100)}})
    assert found.status_code == 422 and len(found.text) < 600


def test_a_line_that_is_too_long_is_an_error(
    rules: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(batcher: Batcher, jobs: Any) -> Any:
        raise Busy

    monkeypatch.setattr(Batcher, "submit", refuse)
    found = rules.post("/api/text", {"text": "Ada"})
    assert found.status_code == 503 and found.headers["Retry-After"] == "1"


def test_other_paths_and_methods_have_errors_of_the_same_form(client: Client) -> None:
    for found, status in (
        (client.get("/none"), 404),
        (client.get("/api/text"), 405),
        (client.post("/api/texts", {"texts": ["a"] * 65}), 413),
    ):
        assert found.status_code == status and set(found.json()) == {"error"}


def test_a_body_in_pieces_has_the_same_limit(rules: Client) -> None:
    found = rules.post("/api/text", data=(b" " * 500 for _ in range(50)))
    assert found.status_code == 413


def test_no_text_is_logged(
    rules: Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for text in ("secret Ada", "secret FAIL", "secret " * 50):
        rules.post("/api/text", {"text": text})
    rules.post("/api/text", {"secret": "secret"})
    assert "secret" not in caplog.text
    assert "secret" not in "".join(capfd.readouterr())


# How many


def test_a_client_has_so_many_texts_in_a_minute() -> None:
    limit = RateLimit(60)
    assert limit.take("a", 50, now=0.0) == 0
    # Ten are left, and one more comes each second.
    assert limit.take("a", 15, now=0.0) == pytest.approx(5)
    assert limit.take("b", 60, now=0.0) == 0
    assert limit.take("a", 15, now=5.0) == 0
    # A request that is larger than the bucket takes all of it.
    assert limit.take("a", 1_000, now=65.0) == 0
    assert limit.take("a", 1, now=65.0) == pytest.approx(1)
    assert RateLimit(0).take("a", 10**9) == 0


def test_too_many_texts_are_refused_with_a_time_to_wait() -> None:
    with serving([ServedPipeline("rules", ruler())], rate=6) as client:
        assert client.post("/api/texts", {"texts": ["Ada"] * 6}).status_code == 200
        found = client.post("/api/text", {"text": "Ada"})
        assert found.status_code == 429 and "more than 6 texts" in found.json()["error"]
        assert 1 <= int(found.headers["Retry-After"]) <= 10
        assert client.get("/health").status_code == 200


# Pages


@pytest.mark.parametrize("path", ["/", "/docs", "/page.css", "/page.js", "/docs.js"])
def test_pages_load_nothing_from_elsewhere(path: str, client: Client) -> None:
    found = client.get(path)
    assert found.status_code == 200
    assert not re.search(r"(?:src|href|url\(|import|fetch)[^\n]{0,9}(?:https?:)?//", found.text)
    policy = found.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy


def test_there_are_examples_in_twenty_languages(client: Client) -> None:
    examples = client.get("/examples.json").json()
    languages = {example["lang"] for example in examples["texts"]}
    assert len(languages) == 20 and languages > {"ar", "he", "zh", "ja", "hi", "tr", "ru"}
