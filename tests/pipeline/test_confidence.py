"""Confidences of stock components, and the scales that make them probabilities."""

import math
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from life import TEXTS, gold_docs, initialized, pipeline, reloaded, trained
from spacy.language import Language
from spacy.tokens import Doc, Span

from dlfa_spacy.evaluation import pipeline_tasks
from dlfa_spacy.language import set_language
from dlfa_spacy.pipeline.confidence import Confidence, calibrate, find_confidence
from dlfa_spacy.pipeline.confidence.scaling import (
    ANY,
    LEAST_EVENTS,
    MOST,
    Scale,
    class_slope,
    fit_labels,
    fit_line,
    fit_temperature,
    sigmoid,
    softmax,
)
from dlfa_spacy.pipeline.confidence.scores import entity_logits, groups, label_names, tag_logits

COMPONENTS = ("ner", "tagger", "textcat")


@pytest.fixture(scope="module")
def saved(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confident")
    nlp = initialized(pipeline(bert, COMPONENTS), steps=40, learn_rate=1e-2)
    find_confidence(nlp)
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def nlp(saved: Path) -> Language:
    return spacy.load(saved)


def component(nlp: Language) -> Confidence:
    found = nlp.get_pipe("confidence")
    assert isinstance(found, Confidence)
    return found


def confidences(docs: list[Doc]) -> list[float]:
    return [
        value
        for doc in docs
        for value in (
            *(ent._.confidence for ent in doc.ents),
            *(token._.pos_confidence for token in doc),
            *(doc.cats[name] for name in sorted(doc.cats)),
        )
    ]


# Scales


def test_a_temperature_is_found_that_the_scores_were_divided_by() -> None:
    generator = numpy.random.default_rng(0)
    logits = generator.normal(size=(20_000, 5))
    drawn = (softmax(logits).cumsum(1) > generator.random((20_000, 1))).argmax(1)
    right = numpy.arange(5) == drawn[:, None]
    assert fit_temperature(class_slope(3 * logits, right)) == pytest.approx(3, rel=0.05)


def test_a_temperature_is_that_of_torch_on_labels_that_mean_the_same() -> None:
    generator = numpy.random.default_rng(1)
    right = numpy.array([[True, True, False, False], [False, False, True, False]])[
        generator.integers(0, 2, 300)
    ]
    logits = 4 * generator.normal(size=(300, 4)) + 2 * right
    found = fit_temperature(class_slope(logits, right))
    log_a = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_a], max_iter=200, line_search_fn="strong_wolfe")
    scores, mask = torch.from_numpy(logits), torch.from_numpy(right)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scaled = log_a.exp() * scores
        among = torch.where(mask, scaled, -math.inf).logsumexp(1)
        loss = (scaled.logsumexp(1) - among).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert found == pytest.approx(float((-log_a.detach()).exp()), rel=1e-4)


def test_a_line_is_that_of_a_logistic_regression_on_platt_s_targets() -> None:
    generator = numpy.random.default_rng(2)
    logits = 6 * generator.normal(size=400)
    correct = generator.random(400) < sigmoid(logits / 5 - 0.7)
    found = fit_line(logits, correct)
    line = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")
    right = int(correct.sum())
    targets = torch.where(
        torch.from_numpy(correct), (right + 1) / (right + 2), 1 / (400 - right + 2)
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        scores = line[0] * torch.from_numpy(logits) + line[1]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            scores, targets.double(), reduction="sum"
        )
        loss.backward()
        return loss

    optimizer.step(closure)
    assert 1 / found.temperature == pytest.approx(float(line[0].detach()), rel=1e-4)
    assert found.shift == pytest.approx(float(line[1].detach()), rel=1e-4, abs=1e-4)


def test_scores_that_say_the_opposite_keep_their_order_and_the_share_that_is_right() -> None:
    logits = numpy.array([3.0, 2.0, -2.0, -3.0] * 25)
    correct = numpy.array([False, False, True, True] * 25)
    found = fit_line(logits, correct)
    assert found.temperature == MOST
    assert sigmoid(found.apply(logits)).mean() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("right", [True, False])
def test_predictions_that_are_all_right_or_all_wrong_are_no_proof(right: bool) -> None:
    found = fit_line(numpy.linspace(-2, 12, 40), numpy.full(40, right))
    sure = sigmoid(found.apply(numpy.array([5.0])))[0]
    assert 0.9 < (sure if right else 1 - sure) < 1


def test_a_label_has_a_scale_of_its_own_where_that_helps() -> None:
    generator = numpy.random.default_rng(3)
    logits = 3 * generator.normal(size=20 * LEAST_EVENTS)
    labels = generator.choice(["SAME", "OTHER"], len(logits))
    shift = numpy.where(labels == "OTHER", -2.0, 0.0)
    correct = generator.random(len(logits)) < sigmoid(logits + shift)
    found = fit_labels(logits, correct, labels)
    assert set(found) == {ANY, "OTHER", "SAME"}
    assert found["OTHER"].shift == pytest.approx(-2, abs=0.5)
    few = fit_labels(logits[:150], correct[:150], labels[:150])
    assert set(few) == {ANY}


# Scores


def test_scores_of_entities_are_those_of_spacy_s_own_beam(nlp: Language) -> None:
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in TEXTS]  # type: ignore[operator]
    ner: Any = nlp.get_pipe("ner")
    expected = ner.scored_ents(ner.beam_parse(docs, beam_width=8, beam_density=1e-4))
    docs = [ner(doc) for doc in docs]
    assert any(doc.ents for doc in docs)
    before = [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]
    iobs = [[token.ent_iob_ for token in doc] for doc in docs]
    for doc, scored, known in zip(docs, entity_logits(ner, docs, 8), expected, strict=True):
        for ent, logit in scored:
            value = min(max(known[ent.start, ent.end, ent.label_], 1e-6), 1 - 1e-6)
            assert sigmoid(numpy.array(logit)) == pytest.approx(value, rel=1e-4)
        assert len(scored) == len(doc.ents)
    assert before == [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in docs]
    assert iobs == [[token.ent_iob_ for token in doc] for doc in docs]


def test_scores_of_tags_choose_what_the_tagger_chose(nlp: Language) -> None:
    docs = [nlp.get_pipe("transformer")(nlp.make_doc(text)) for text in ("Anna lives", "", "in")]  # type: ignore[operator]
    tagger: Any = nlp.get_pipe("tagger")
    rows = tag_logits(tagger, docs)
    assert [len(row) for row in rows] == [len(doc) for doc in docs]
    for doc, row in zip([tagger(doc) for doc in docs], rows, strict=True):
        assert [tagger.labels[i] for i in row.argmax(-1)] == [token.tag_ for token in doc]


def test_labels_of_one_part_of_speech_count_together(bert: str) -> None:
    nlp = trained(bert, ("morphologizer",), steps=5)
    morphologizer: Any = nlp.get_pipe("morphologizer")
    names = label_names(morphologizer)
    assert {"PROPN", "VERB"} <= set(names)
    find_confidence(nlp)
    (docs,) = [[nlp.get_pipe("transformer")(nlp.make_doc(TEXTS[0]))]]  # type: ignore[operator]
    shares = softmax(tag_logits(morphologizer, docs)[0])
    doc = nlp(TEXTS[0])
    for row, token in zip(shares, doc, strict=True):
        expected = sum(
            share
            for name, share in zip(names, row, strict=True)
            if name == names[int(row.argmax())]
        )
        assert token._.pos_confidence == pytest.approx(expected, rel=1e-4)
    assert groups(["A", "B", "A"]).tolist() == [0, 1, 0]


# The component


def test_everything_that_is_said_has_a_confidence(nlp: Language) -> None:
    docs = list(nlp.pipe([*TEXTS, "", " \n "]))
    found = confidences(docs)
    assert found and all(0 <= value <= 1 for value in found)
    assert any(doc.ents for doc in docs)
    for doc in docs:
        if doc.cats:
            assert sum(doc.cats.values()) == pytest.approx(1)
    assert Doc(nlp.vocab, words=["a"])[0]._.pos_confidence is None


def test_before_it_is_fitted_categories_are_as_they_were(nlp: Language) -> None:
    with nlp.select_pipes(disable="confidence"):
        expected = [doc.cats for doc in nlp.pipe(TEXTS)]
    found = [doc.cats for doc in nlp.pipe(TEXTS)]
    for before, after in zip(expected, found, strict=True):
        assert after == pytest.approx(before, abs=1e-5)


def test_a_batch_and_texts_alone_have_the_same_confidences(nlp: Language) -> None:
    together = confidences(list(nlp.pipe(TEXTS, batch_size=8)))
    alone = confidences([nlp(text) for text in TEXTS])
    numpy.testing.assert_allclose(together, alone, atol=1e-4)


def test_scales_and_confidences_survive_disk_bytes_and_processes(
    nlp: Language, tmp_path: Path
) -> None:
    calibrate(nlp, gold_docs(nlp), component(nlp))
    expected = confidences(list(nlp.pipe(TEXTS)))
    again = reloaded(nlp, tmp_path / "nlp")
    for name, own in component(nlp).scales.items():
        for label, scale in own.items():
            assert component(again).scales[name][label] == pytest.approx(scale, rel=1e-6)
    numpy.testing.assert_allclose(confidences(list(again.pipe(TEXTS))), expected, atol=1e-5)
    other = spacy.blank("xx").add_pipe("dlfa_confidence")
    assert isinstance(other, Confidence)
    assert other.from_bytes(component(nlp).to_bytes()).scales == component(nlp).scales
    assert pickle.loads(pickle.dumps(component(nlp))).scales == component(nlp).scales


@pytest.mark.slow
def test_processes_give_the_same_confidences(nlp: Language) -> None:
    expected = confidences(list(nlp.pipe(TEXTS)))
    found = confidences(list(nlp.pipe(TEXTS, n_process=2, batch_size=1)))
    numpy.testing.assert_allclose(found, expected, atol=1e-4)


def test_entities_below_their_threshold_are_taken_away(nlp: Language) -> None:
    docs = list(nlp.pipe(TEXTS))
    sure = {ent.label_: ent._.confidence for doc in docs for ent in doc.ents}
    label = sorted(sure)[0]
    component(nlp).thresholds = {label: 1.0}
    left = {ent.label_ for doc in nlp.pipe(TEXTS) for ent in doc.ents}
    assert label not in left and left == set(sure) - {label}
    component(nlp).thresholds = {"*": 1.0, label: 0.0}
    assert {ent.label_ for doc in nlp.pipe(TEXTS) for ent in doc.ents} == {label}


def test_a_language_has_thresholds_of_its_own(nlp: Language) -> None:
    docs = [doc for doc in nlp.pipe(TEXTS) if doc.ents]
    label = docs[0].ents[0].label_
    labels = {ent.label_ for ent in docs[0].ents}

    def left(language: str | None) -> set[str]:
        doc = nlp.make_doc(docs[0].text)
        set_language(doc, language)
        return {ent.label_ for ent in nlp(doc).ents}

    component(nlp).thresholds = {label: 0.0}
    component(nlp).language_thresholds = {"sw": {"*": 1.0}, "de": {label: 1.0}}
    assert left(None) == left("ru") == labels
    assert left("sw") == set()
    assert left("de") == labels - {label}


def test_it_stands_before_what_cleans_docs(bert: str) -> None:
    nlp = initialized(pipeline(bert, COMPONENTS))
    nlp.add_pipe("dlfa_doc_cleaner")
    find_confidence(nlp)
    assert nlp.pipe_names[-2:] == ["confidence", "dlfa_doc_cleaner"]
    assert find_confidence(nlp) is nlp.get_pipe("confidence")
    assert nlp(TEXTS[0])[0]._.pos_confidence is not None


def test_a_pipeline_does_not_seem_to_classify_because_of_it(bert: str) -> None:
    nlp = trained(bert, ("ner",))
    find_confidence(nlp)
    assert pipeline_tasks(nlp).names == ["ner"]


def test_a_pipeline_without_anything_to_speak_of_is_refused() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler")
    with pytest.raises(ValueError, match="expected an entity recognizer"):
        find_confidence(nlp)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"beam_width": 1}, r"\[components.confidence\] beam_width = 1: expected 2 or more"),
        ({"thresholds": {"ORG": 2.0}}, r"thresholds, ORG = 2.0: expected 0 to 1"),
        (
            {"language_thresholds": {"sw": {"*": 2.0}}},
            r"language_thresholds, sw, \* = 2.0: expected",
        ),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        spacy.blank("xx").add_pipe("dlfa_confidence", name="confidence", config=settings)


def test_a_temperature_that_is_none_is_refused_on_loading(nlp: Language) -> None:
    state = component(nlp)
    state.scales = {"ner": {ANY: Scale(0.0)}}
    with pytest.raises(ValueError, match="temperature = 0.0: expected above 0"):
        component(nlp).from_bytes(state.to_bytes())


# Fitting


def test_fitting_says_how_far_off_each_component_was(nlp: Language) -> None:
    golds = gold_docs(nlp) * 20
    found = {one.component: one for one in calibrate(nlp, golds, component(nlp))}
    assert set(found) == set(COMPONENTS) == set(component(nlp).scales)
    for one in found.values():
        assert one.before.n == one.after.n > 0
        assert one.after.accuracy == one.before.accuracy


def test_a_component_that_is_ten_times_too_sure_has_ten_times_the_temperature(
    nlp: Language,
) -> None:
    golds = gold_docs(nlp)
    # One that is right always has no temperature.
    golds[0][0].tag_ = "DT"
    calibrate(nlp, golds, component(nlp))
    before = component(nlp).scales["tagger"][ANY].temperature
    tagger: Any = nlp.get_pipe("tagger")
    softmax_layer = next(node for node in tagger.model.walk() if node.name == "softmax")
    for name in ("W", "b"):
        softmax_layer.set_param(name, 10 * softmax_layer.get_param(name))
    calibrate(nlp, golds, component(nlp))
    assert component(nlp).scales["tagger"][ANY].temperature == pytest.approx(10 * before, rel=1e-3)


def test_texts_without_annotation_are_refused(nlp: Language) -> None:
    doc = Doc(nlp.vocab, words=["Anna"])
    with pytest.raises(ValueError, match="found no annotation"):
        calibrate(nlp, [doc], component(nlp))


def test_an_entity_of_a_ruler_has_the_confidence_of_the_recognizer(bert: str) -> None:
    nlp = initialized(pipeline(bert, ("ner",)), steps=40, learn_rate=1e-2)
    ruler: Any = nlp.add_pipe("entity_ruler", config={"overwrite_ents": True})
    ruler.add_patterns([{"label": "PER", "pattern": "lives in"}])
    find_confidence(nlp)
    (ent,) = [ent for ent in nlp(TEXTS[0]).ents if ent.text == "lives in"] or [None]
    assert isinstance(ent, Span) and ent._.confidence < 0.5
