"""Each metric equals the library that the field quotes, number for number."""

import random
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfa_spacy.corpora.conllu import UPOS
from dlfa_spacy.evaluation import SpanF1, TokenAccuracy, UposChunkF1
from dlfa_spacy.metrics.classification import Confusion, accuracy, macro_f1

TAGS = sorted(UPOS)
IOB_TYPES = ["PER", "LOC", "ORG"]


def valid_iob2(rng: random.Random, length: int) -> list[str]:
    tags: list[str] = []
    for _ in range(length):
        inside = [f"I-{tags[-1][2:]}"] if tags and tags[-1] != "O" else []
        begin = f"B-{rng.choice(IOB_TYPES)}"
        tags.append(rng.choice(["O", "O", begin, *inside * 2]))
    return tags


def spans(tags: list[str]) -> set[tuple[int, int, str]]:
    found = set()
    start = None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and not tag.startswith("I-"):
            found.add((start, i, tags[start][2:]))
            start = None
        if tag.startswith("B-"):
            start = i
    return found


@pytest.mark.parametrize("seed", range(5))
def test_span_f1_equals_seqeval(seed):
    seqeval = pytest.importorskip("seqeval.metrics")
    rng = random.Random(seed)
    gold = [valid_iob2(rng, rng.randint(1, 12)) for _ in range(60)]
    predicted = [tags if rng.random() < 0.5 else valid_iob2(rng, len(tags)) for tags in gold]
    metric = SpanF1()
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        metric.add(spans(gold_tags), spans(predicted_tags))
    assert metric.f1 == pytest.approx(seqeval.f1_score(gold, predicted), abs=1e-12)
    assert metric.precision == pytest.approx(seqeval.precision_score(gold, predicted), abs=1e-12)
    assert metric.recall == pytest.approx(seqeval.recall_score(gold, predicted), abs=1e-12)
    report = seqeval.classification_report(gold, predicted, output_dict=True)
    for type_, score in metric.per_type().items():
        assert score == pytest.approx(report[type_]["f1-score"], abs=1e-12)


def test_span_f1_of_nothing_is_zero_and_counts_spurious_spans():
    metric = SpanF1()
    metric.add([], [])
    assert metric.f1 == metric.precision == metric.recall == 0.0
    metric.add([(0, 2, "PER")], [(0, 2, "PER"), (3, 4, "LOC"), (0, 1, "PER")])
    assert metric.precision == pytest.approx(1 / 3)
    assert metric.recall == 1.0
    assert metric.f1 == pytest.approx(0.5)


sentences_of_tags = st.lists(
    st.lists(st.tuples(st.sampled_from(TAGS), st.sampled_from(TAGS)), min_size=1, max_size=6),
    min_size=1,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(sentences_of_tags)
def test_chunk_f1_equals_seqeval_over_bare_upos_tags(sentences):
    seqeval = pytest.importorskip("seqeval.metrics")
    gold = [[g for g, _ in s] for s in sentences]
    predicted = [[p for _, p in s] for s in sentences]
    metric = UposChunkF1("seqeval1")
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        metric.add(gold_tags, predicted_tags)
    with warnings.catch_warnings():
        # seqeval warns that UPOS tags are no IOB tags: that is the trap under test.
        warnings.simplefilter("ignore")
        expected = seqeval.f1_score(gold, predicted)
    assert metric.f1 == pytest.approx(expected, abs=1e-12)


def chunk_f1(gold: list[str], predicted: list[str], rules: str) -> float:
    metric = UposChunkF1(rules)
    metric.add(gold, predicted)
    return metric.f1


def test_a_run_of_equal_tags_is_right_or_wrong_as_a_whole():
    gold, predicted = ["PROPN", "PROPN", "VERB"], ["PROPN", "NOUN", "VERB"]
    accuracy_ = TokenAccuracy()
    accuracy_.add(gold, predicted)
    assert accuracy_.accuracy == pytest.approx(2 / 3)
    for rules in ("seqeval1", "seqeval0"):
        # Gold chunks: PROPN PROPN, VERB. Predicted: PROPN, NOUN, VERB. One in common.
        assert chunk_f1(gold, predicted, rules) == pytest.approx(2 * 1 / 5)


def test_seqeval_1_takes_cconj_for_sconj_and_0_does_not():
    gold, predicted = ["NOUN", "CCONJ", "NOUN"], ["NOUN", "SCONJ", "NOUN"]
    assert chunk_f1(gold, predicted, "seqeval1") == 1.0
    assert chunk_f1(gold, predicted, "seqeval0") == pytest.approx(2 / 3)


def test_tags_that_begin_with_s_never_merge():
    # Three chunks of gold, of which the prediction has one; of NOUN there would be one in all.
    assert chunk_f1(["SYM"] * 3, ["SYM", "NOUN", "NOUN"], "seqeval0") == pytest.approx(2 / 5)
    assert chunk_f1(["NOUN"] * 3, ["NOUN", "VERB", "VERB"], "seqeval0") == 0.0


def test_chunk_f1_wants_a_known_rule():
    with pytest.raises(ValueError, match='rules = "seqeval2": expected one of seqeval1'):
        UposChunkF1("seqeval2")


def test_token_accuracy_equals_sklearn_and_skips_tokens_without_gold():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = random.Random(0)
    gold = [rng.choice(TAGS) for _ in range(500)]
    predicted = [rng.choice([tag, "NOUN"]) for tag in gold]
    metric = TokenAccuracy()
    metric.add(gold[:200], predicted[:200])
    metric.add(["", *gold[200:]], ["NOUN", *predicted[200:]])
    assert metric.accuracy == pytest.approx(sklearn.accuracy_score(gold, predicted), abs=1e-12)


def test_a_gold_token_without_a_predicted_one_is_an_error():
    metric = TokenAccuracy()
    metric.add(["NOUN", "VERB"], [None, "VERB"])
    assert (metric.accuracy, metric.n_misaligned) == (0.5, 1)


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_and_macro_f1_equal_sklearn(seed):
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = random.Random(seed)
    gold = [rng.choice("abc") for _ in range(200)]
    # A label that is predicted but never gold counts, with F1 zero, as in scikit-learn.
    predicted = [rng.choice([g, g, rng.choice("abcd")]) for g in gold]
    confusion = Confusion()
    for pair in zip(gold, predicted, strict=True):
        confusion.add(*pair)
    assert accuracy(confusion) == pytest.approx(sklearn.accuracy_score(gold, predicted), abs=1e-12)
    expected = sklearn.f1_score(gold, predicted, average="macro", zero_division=0)
    assert macro_f1(confusion) == pytest.approx(expected, abs=1e-12)


def test_classification_of_nothing_scores_zero():
    assert accuracy(Confusion()) == macro_f1(Confusion()) == 0.0
