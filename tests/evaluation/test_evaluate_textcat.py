"""Scores of text classification, exclusive or not, equal to scikit-learn's and spaCy's."""

import json

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc
from spacy.training import Example

from dlfa_spacy.corpora import set_language, write_docs
from dlfa_spacy.evaluation import evaluate, write_evaluation
from dlfa_spacy.evaluation.tables import confusion_markdown
from dlfa_spacy.metrics.multilabel import THRESHOLDS, MultiLabelF1
from dlfa_spacy.pairs import make_pair

LABELS = ["entailment", "neutral", "contradiction"]


@Language.component("by_last_word", assigns=["doc.cats"])
def by_last_word(doc: Doc) -> Doc:
    doc.cats = {label: float(label == doc[-1].text) for label in LABELS}
    return doc


def pair(nlp: Language, language: str, gold: str, predicted: str) -> Doc:
    doc = make_pair(nlp, "A premise.", f"A hypothesis {predicted}")
    doc.cats = {label: float(label == gold) for label in LABELS}
    set_language(doc, language)
    return doc


@pytest.fixture
def pairs() -> Language:
    nlp = spacy.blank("xx")
    nlp.add_pipe("by_last_word")
    return nlp


def test_pairs_are_scored_per_language_with_accuracy_macro_f1_and_confusions(pairs, tmp_path):
    e, n, c = LABELS
    answers = {
        "en": [(e, e), (n, n), (c, c), (c, c)],
        "de": [(e, e), (n, e), (c, c), (n, n)],
        "zh": [(e, n), (n, n), (c, n), (e, n)],
    }
    for language, labels in answers.items():
        docs = [pair(pairs, language, gold, predicted) for gold, predicted in labels]
        write_docs(docs, tmp_path / "in" / language / "test.spacy")
    evaluation = evaluate(pairs, tmp_path / "in")
    metrics = pytest.importorskip("sklearn.metrics")
    for result in evaluation.languages:
        gold, predicted = zip(*answers[result.language], strict=True)
        assert result.scores == {
            "textcat_accuracy": pytest.approx(metrics.accuracy_score(gold, predicted)),
            "textcat_macro_f1": pytest.approx(
                metrics.f1_score(gold, predicted, average="macro", zero_division=0)
            ),
        }
        table = result.confusions["textcat"]
        matrix = [[table.get(g, {}).get(p, 0) for p in LABELS] for g in LABELS]
        assert matrix == metrics.confusion_matrix(gold, predicted, labels=LABELS).tolist()
    assert evaluation.summary("textcat_accuracy").targets_mean == pytest.approx((3 / 4 + 1 / 4) / 2)
    write_evaluation(evaluation, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))
    assert content["languages"]["de"]["confusions"]["textcat"][n] == {e: 1, n: 1}
    markdown = (tmp_path / "out" / "scores.md").read_text(encoding="utf-8")
    assert "## Confusions in zh" in markdown
    assert "| entailment | 0 | 0 | 2 |" in markdown


def test_a_confusion_matrix_shows_labels_that_were_never_gold():
    assert "| b | 0 | 0 |" in confusion_markdown({"a": {"b": 2, "a": 1}})
    assert "| a | 1 | 2 |" in confusion_markdown({"a": {"b": 2, "a": 1}})


SCORES = st.lists(
    st.tuples(
        st.lists(st.booleans(), min_size=3, max_size=3),
        st.lists(st.floats(0, 1), min_size=3, max_size=3),
    ),
    min_size=1,
    max_size=20,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_multi_label_scores_equal_sklearn_at_every_threshold(texts):
    metrics = pytest.importorskip("sklearn.metrics")
    scorer = MultiLabelF1()
    for gold, scores in texts:
        truth = dict(zip("abc", map(float, gold), strict=True))
        scorer.add(truth, dict(zip("abc", scores, strict=True)))
    gold_matrix = np.array([gold for gold, _ in texts], dtype=int)
    for threshold in THRESHOLDS:
        predicted = np.array([scores for _, scores in texts]) >= threshold
        for average, ours in (("micro", scorer.micro_f1), ("macro", scorer.macro_f1)):
            expected = metrics.f1_score(
                gold_matrix, predicted.astype(int), average=average, zero_division=0
            )
            assert ours(threshold) == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.55])
def test_the_stock_multi_label_component_is_scored_as_spacy_scores_it(threshold, tmp_path):
    nlp = spacy.blank("xx")
    pipe = nlp.add_pipe("textcat_multilabel", config={"threshold": threshold})
    rng = np.random.default_rng(0)
    golds = []
    for _ in range(30):
        doc = nlp.make_doc(" ".join(rng.choice(list("abcdefgh"), 5)))
        doc.cats = {label: float(rng.random() < 0.4) for label in "xyz"}
        set_language(doc, "de")
        golds.append(doc)
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in golds])
    write_docs(golds, tmp_path / "de" / "test.spacy")
    evaluation = evaluate(nlp, tmp_path)
    (result,) = evaluation.languages
    examples = [Example(nlp(doc.text), doc) for doc in golds]
    expected = Scorer.score_cats(
        examples, "cats", labels=pipe.labels, multi_label=True, threshold=threshold
    )
    assert result.scores == {
        "textcat_multilabel_micro_f1": pytest.approx(expected["cats_micro_f"]),
        "textcat_multilabel_macro_f1": pytest.approx(expected["cats_macro_f"]),
    }
    assert result.counts["textcat_texts"] == 30
    assert {"0.1", "0.5", "0.9", f"{threshold:g}"} <= set(result.multilabel_per_threshold)
    assert any("chosen on the test set" in sentence for sentence in evaluation.statements())


def test_a_multi_label_component_on_exclusive_labels_has_accuracy_too(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("textcat_multilabel")
    docs = []
    for index in range(6):
        doc = nlp.make_doc("text " * (index + 1))
        doc.cats = {"x": float(index % 2), "y": float(1 - index % 2)}
        docs.append(doc)
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    write_docs(docs, tmp_path / "de" / "test.spacy")
    (result,) = evaluate(nlp, tmp_path).languages
    right = sum(
        max(found.cats, key=found.cats.__getitem__) == max(gold.cats, key=gold.cats.__getitem__)
        for found, gold in zip(nlp.pipe([d.text for d in docs]), docs, strict=True)
    )
    assert result.scores["textcat_accuracy"] == pytest.approx(right / 6)


def test_confusions_of_spans_and_tags_name_what_was_missed_and_what_was_spurious(tmp_path):
    nlp = spacy.blank("xx")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PER", "pattern": "Rom"}, {"label": "LOC", "pattern": "am"}])
    doc = Doc(nlp.vocab, words=["Rom", "am", "Tiber"], ents=["B-LOC", "O", "B-LOC"])
    write_docs([doc], tmp_path / "de" / "test.spacy")
    (result,) = evaluate(nlp, tmp_path).languages
    assert result.confusions == {"ner": {"LOC": {"PER": 1, "–": 1}, "–": {"LOC": 1}}}
