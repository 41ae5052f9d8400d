"""Distillation: gradients of soft labels, what is kept of a teacher, a student end to end."""

import json
import random
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from life import config, examples, gold_docs, trained
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.transfer.distill import labelled_texts
from dlfa_spacy.transfer.distill.distill import DistillSettings, distill
from dlfa_spacy.transfer.distill.labelled_texts import MANIFEST, Texts
from dlfa_spacy.transfer.distill.soft_labels import (
    EXCLUSIVE,
    INDEPENDENT,
    KEY,
    kind_of,
    label_names,
    score_docs,
    soft_labels,
    soften,
)
from dlfa_spacy.transfer.distill.soft_loss import (
    entropy,
    matching_rate,
    smooth,
    soft_loss,
    train_on_soft_labels,
)

Z_TEACHER, Z_STUDENT = numpy.array([[2, 0.5, -1]]), numpy.array([[0.3, 0.1, -0.2]])


def softmax(z: numpy.ndarray) -> numpy.ndarray:
    powers = numpy.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def sigmoid(z: numpy.ndarray) -> numpy.ndarray:
    return 1 / (1 + numpy.exp(-z))


def classifier(labels: list[str], name: str = "textcat") -> Language:
    nlp = spacy.blank("xx")
    pipe: Any = nlp.add_pipe(name)
    for label in labels:
        pipe.add_label(label)
    doc = nlp.make_doc("a text")
    doc.cats = {label: float(i == 0) for i, label in enumerate(labels)}
    nlp.initialize(lambda: [Example(nlp.make_doc("a text"), doc)])
    return nlp


def labelled(nlp: Language, name: str, labels: list[str], q: numpy.ndarray) -> Example:
    doc = nlp.make_doc("a text")
    doc.user_data[KEY, name] = {"labels": labels, "scores": q.astype("float32")}  # type: ignore[index]
    return Example(nlp.make_doc("a text"), doc)


@pytest.mark.parametrize(
    ("temperature", "q", "gradient"),
    [
        (1.0, [0.785597, 0.175290, 0.039113], [-0.373270, 0.162294, 0.210976]),
        (0.1, [1.0, 0.0, 0.0], [-0.587673, 0.337584, 0.250089]),
        (2.0, [0.589798, 0.278601, 0.131602], None),
    ],
)
def test_worked_examples_of_exclusive_labels(
    temperature: float, q: list[float], gradient: list[float] | None
) -> None:
    found = soften(softmax(Z_TEACHER).astype("float32"), EXCLUSIVE, temperature)
    assert found[0] == pytest.approx(q, abs=2e-6)
    nlp = classifier(["a", "b", "c"])
    pipe: Any = nlp.get_pipe("textcat")
    example = labelled(nlp, "textcat", ["a", "b", "c"], found)
    scores = softmax(Z_STUDENT).astype("float32")
    loss, d = soft_loss(pipe, "textcat", 0.0, None, [example], scores)
    if gradient:
        assert d[0] == pytest.approx(gradient, abs=2e-6)
    if temperature == 1:
        assert loss == pytest.approx(0.070060, abs=1e-6)
        assert entropy(found, EXCLUSIVE) == pytest.approx(0.621585, abs=1e-5)
    cross = -(found * numpy.log(scores)).sum()
    expected = {1.0: 0.940554, 0.1: 0.885939, 2.0: 1.007460}
    assert cross == pytest.approx(expected[temperature], abs=2e-6)


def test_the_worked_example_of_independent_labels() -> None:
    q, p = sigmoid(Z_TEACHER), sigmoid(Z_STUDENT)
    nlp = classifier(["a", "b", "c"], "textcat_multilabel")
    example = labelled(nlp, "textcat_multilabel", ["a", "b", "c"], q)
    pipe: Any = nlp.get_pipe("textcat_multilabel")
    _, d = soft_loss(pipe, "textcat_multilabel", 0.0, None, [example], p.astype("float32"))
    assert d[0] == pytest.approx([-0.306355, -0.097480, 0.181225], abs=1e-6)
    cross = -(q * numpy.log(p) + (1 - q) * numpy.log(1 - p)).sum()
    assert cross == pytest.approx(1.924194, abs=1e-6)
    softened = soften(q.astype("float32"), INDEPENDENT, 2.0)
    assert softened == pytest.approx(sigmoid(Z_TEACHER / 2), abs=1e-5)


def test_a_student_that_agrees_has_no_gradient() -> None:
    nlp = classifier(["a", "b", "c"])
    q = softmax(Z_TEACHER).astype("float32")
    example = labelled(nlp, "textcat", ["a", "b", "c"], q)
    loss, d = soft_loss(nlp.get_pipe("textcat"), "textcat", 0.0, None, [example], q.copy())
    assert loss == 0 and not d.any()


def test_labels_are_matched_by_name() -> None:
    nlp = classifier(["a", "b", "c"])
    q = softmax(Z_TEACHER)
    pipe = nlp.get_pipe("textcat")
    scores = softmax(Z_STUDENT).astype("float32")
    straight = labelled(nlp, "textcat", ["a", "b", "c"], q)
    plain = soft_loss(pipe, "textcat", 0, None, [straight], scores)
    turned = labelled(nlp, "textcat", ["c", "a", "b"], q[:, [2, 0, 1]])
    assert (soft_loss(pipe, "textcat", 0, None, [turned], scores)[1] == plain[1]).all()
    lacking = labelled(nlp, "textcat", ["a", "b", "x"], q)
    with pytest.raises(ValueError, match="the teacher has no label 'c'.*Fix"):
        soft_loss(pipe, "textcat", 0, None, [lacking], scores)
    with pytest.raises(ValueError, match="no probabilities of a teacher.*Fix"):
        soft_loss(pipe, "textcat", 0, None, [Example(nlp.make_doc("a"), nlp.make_doc("a"))], scores)


def test_gold_is_mixed_in_and_alone_it_is_the_component_s_own_loss() -> None:
    nlp = classifier(["a", "b", "c"])
    example = labelled(nlp, "textcat", ["a", "b", "c"], softmax(Z_TEACHER))
    example.reference.cats = {"a": 0.0, "b": 1.0, "c": 0.0}
    scores = softmax(Z_STUDENT).astype("float32")
    pipe: Any = nlp.get_pipe("textcat")
    _, d = soft_loss(pipe, "textcat", 0.25, None, [example], scores)
    target = 0.75 * softmax(Z_TEACHER) + 0.25 * numpy.array([[0, 1, 0]])
    assert d == pytest.approx(scores - target, abs=1e-6)
    own = pipe.get_loss
    train_on_soft_labels(nlp, ["textcat"], gold=1.0)
    assert pipe.get_loss == own
    train_on_soft_labels(nlp, ["textcat"], gold=0.5)
    assert pipe.get_loss != own


@given(st.integers(2, 30), st.floats(0.001, 0.999), st.sampled_from([EXCLUSIVE, INDEPENDENT]))
def test_smoothing_has_the_entropy_of_the_soft_labels(k: int, share: float, kind: str) -> None:
    wanted = share * (numpy.log(k) if kind == EXCLUSIVE else numpy.log(2))
    rate = matching_rate(wanted, k, kind)
    table = smooth(numpy.eye(k, dtype="float32")[:1], kind, rate)
    assert entropy(table, kind) == pytest.approx(wanted, abs=1e-4)
    assert table[0].argmax() == 0


# What is kept of a teacher


@pytest.fixture
def teacher(bert: str) -> Language:
    return trained(bert, ["tagger", "ner", "spancat", "textcat"], "last", steps=3)


def test_probabilities_and_annotation_of_every_component(teacher: Language) -> None:
    names = ["tagger", "spancat", "textcat"]
    assert [kind_of(teacher.get_pipe(name)) for name in [*names, "ner"]] == [
        EXCLUSIVE,
        INDEPENDENT,
        EXCLUSIVE,
        None,
    ]
    docs = gold_docs(teacher)
    for found, gold in zip(score_docs(teacher, docs, names), docs, strict=True):
        expected = teacher(Doc(teacher.vocab, words=[token.text for token in gold]))
        assert [token.tag_ for token in found] == [token.tag_ for token in expected]
        assert [(e.start, e.label_) for e in found.ents] == [
            (e.start, e.label_) for e in expected.ents
        ]
        cats = soft_labels(found, "textcat")
        assert cats is not None
        scores = dict(zip(cats["labels"], cats["scores"][0], strict=True))
        assert scores == pytest.approx(expected.cats, abs=1e-5)
        best = max(scores, key=scores.__getitem__)
        assert found.cats == {label: float(label == best) for label in scores}
        tags = soft_labels(found, "tagger")
        assert tags is not None and tags["scores"].sum(axis=1) == pytest.approx(1, abs=1e-5)
        guesses = [tags["labels"][i] for i in tags["scores"].argmax(axis=1)]
        assert guesses == [token.tag_ for token in found]
        spans = soft_labels(found, "spancat")
        assert spans is not None and len(spans["spans"]) == len(spans["scores"])
        assert set(found.user_data) == {("._.", "language", None, None)} | {
            (KEY, name) for name in names
        }


def test_every_component_has_the_gradient_of_its_probabilities(teacher: Language) -> None:
    names = ["tagger", "spancat", "textcat"]
    scored = list(score_docs(teacher, gold_docs(teacher), names))
    train_on_soft_labels(teacher, names)
    batch = [Example(Doc(doc.vocab, words=[t.text for t in doc]), doc) for doc in scored]
    read = [eg.predicted for eg in batch]
    transformer: Any = teacher.get_pipe("transformer")
    list(transformer.pipe(read))
    for name in names:
        pipe: Any = teacher.get_pipe(name)
        tables: list[Any] = [soft_labels(doc, name) for doc in scored]
        if name == "spancat":
            spans, _ = pipe.predict(read)
            own = numpy.concatenate([table["scores"] for table in tables])
            scores: Any = (spans, own + 0.125)
        elif name == "tagger":
            scores = [table["scores"] + 0.125 for table in tables]
        else:
            scores = numpy.concatenate([table["scores"] for table in tables]) + 0.125
        loss, d = pipe.get_loss(batch, scores)
        flat = numpy.concatenate([numpy.asarray(part) for part in d]) if name == "tagger" else d
        assert flat == pytest.approx(0.125, abs=1e-5)
        assert loss > 0


def test_spans_that_the_teacher_did_not_score_teach_nothing(teacher: Language) -> None:
    (scored,) = score_docs(teacher, gold_docs(teacher)[:1], ["spancat"])
    found: Any = soft_labels(scored, "spancat")
    found["spans"], found["scores"] = found["spans"][:2], found["scores"][:2]
    scored.user_data[KEY, "spancat"] = found  # type: ignore[index]
    pipe: Any = teacher.get_pipe("spancat")
    example = Example(Doc(scored.vocab, words=[t.text for t in scored]), scored)
    spans = pipe.suggester([example.predicted])
    scores = numpy.full((len(spans.data), len(label_names(pipe))), 0.5, dtype="float32")
    _, d = soft_loss(pipe, "spancat", 0.0, None, [example], (spans, scores))
    assert d[:2] == pytest.approx(0.5 - found["scores"]) and not d[2:].any()


def test_other_tokens_than_the_teacher_s_are_refused(teacher: Language) -> None:
    (scored,) = score_docs(teacher, gold_docs(teacher)[:1], ["tagger"])
    example = Example(teacher.make_doc(scored[:3].text), scored)
    with pytest.raises(ValueError, match="read 7 tokens.*gold_preproc"):
        soft_loss(teacher.get_pipe("tagger"), "tagger", 0.0, None, [example], [None])


def test_components_without_scores_are_refused(teacher: Language) -> None:
    with pytest.raises(ValueError, match='"ner": a EntityRecognizer has no scores.*Fix'):
        train_on_soft_labels(teacher, ["ner"])


# End to end

WORDS = ["Anna", "lives", "in", "Berlin", "the", "un", "able", "ed"]


def rule(text: str) -> str:
    return "place" if "Berlin" in text else "other"


def make_texts(n: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=5)) for _ in range(n)]


@pytest.fixture(scope="module")
def knows_the_rule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher with another tokenizer and no transformer at all."""
    nlp = spacy.blank("en")
    nlp.add_pipe("textcat")
    found = []
    for text in make_texts(200):
        doc = nlp.make_doc(text)
        doc.cats = {label: float(rule(text) == label) for label in ("place", "other")}
        found.append(Example(nlp.make_doc(text), doc))
    optimizer = nlp.initialize(lambda: found)
    for _ in range(10):
        nlp.update(found, sgd=optimizer)
    folder = tmp_path_factory.mktemp("teacher") / "model"
    nlp.to_disk(folder)
    return folder


def write_student(bert: str, folder: Path, components: list[str], dev: Path) -> Path:
    made = config(bert, components, "last")
    made["paths"] = {"train": None, "dev": str(dev)}
    reader = {"@readers": "spacy.Corpus.v1"}
    made["corpora"] = {
        "train": {**reader, "path": "${paths.train}"},
        "dev": {**reader, "path": "${paths.dev}"},
    }
    made["training"] = {
        "max_steps": 40,
        "eval_frequency": 10,
        "patience": 0,
        "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 5e-3},
        "batcher": {"@batchers": "spacy.batch_by_sequence.v1", "size": 16},
    }
    made.to_disk(folder / "student.cfg")
    return folder / "student.cfg"


@pytest.fixture
def student(bert: str, tmp_path: Path) -> Path:
    nlp = spacy.blank("xx")
    dev = []
    for text in make_texts(20, seed=1):
        doc = nlp.make_doc(text)
        doc.cats = {label: float(rule(text) == label) for label in ("place", "other")}
        dev.append(doc)
    DocBin(docs=dev).to_disk(tmp_path / "dev.spacy")
    (tmp_path / "texts.txt").write_text("\n".join(make_texts(60, seed=2)) + "\n", encoding="utf-8")
    return write_student(bert, tmp_path, ["textcat"], tmp_path / "dev.spacy")


def share_right(nlp: Language) -> float:
    texts = make_texts(50, seed=3)
    found = [max(doc.cats, key=doc.cats.__getitem__) for doc in nlp.pipe(texts)]
    return sum(label == rule(text) for label, text in zip(found, texts, strict=True)) / len(texts)


@pytest.mark.parametrize("labels", ["soft", "hard", "smoothed"])
def test_a_student_learns_what_only_the_teacher_knows(
    knows_the_rule: Path, student: Path, tmp_path: Path, labels: str
) -> None:
    texts = Texts(tmp_path / "texts.txt")
    done = distill(str(knows_the_rule), student, tmp_path / "out", texts, DistillSettings(labels))
    nlp = spacy.load(tmp_path / "out" / "model-best")
    assert share_right(nlp) > 0.9
    assert nlp.get_pipe_meta("textcat").factory == "textcat"
    assert "soft" not in nlp.config.to_str() and nlp.config["paths"]["train"] is None
    assert nlp.get_pipe("textcat").labels == ("place", "other")  # type: ignore[attr-defined]
    if labels == "smoothed":
        assert 0 < done.smoothing["textcat"] < 0.9
    assert bool(done.entropies) == (labels != "hard")


def test_labels_are_made_once_and_a_kill_loses_a_part_at_most(
    knows_the_rule: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled_texts, "PART", 20)
    texts = Texts(tmp_path / "texts.txt")

    class Killed(Exception):
        pass

    n = 0

    def on_text(number: int) -> None:
        nonlocal n
        n += number
        if n > 40:
            raise Killed

    arguments: Any = (str(knows_the_rule), student, tmp_path / "out", texts)
    with pytest.raises(Killed):
        distill(*arguments, on_text=on_text)
    folder = tmp_path / "out" / "labels"
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.spacy")}
    assert len(before) == 2
    distill(*arguments)
    after = {path: path.stat().st_mtime_ns for path in folder.glob("*.spacy")}
    assert len(after) == 3 and before.items() <= after.items()
    distill(str(knows_the_rule), student, tmp_path / "whole", texts)
    for path in after:
        assert path.read_bytes() == (tmp_path / "whole" / "labels" / path.name).read_bytes()
    weights = [
        (tmp_path / name / "model-best" / "textcat" / "model").read_bytes()
        for name in ("out", "whole")
    ]
    assert weights[0] == weights[1]
    (tmp_path / "texts.txt").write_text("Anna lives\n", encoding="utf-8")
    with pytest.raises(ValueError, match="labels of another teacher.*--no-resume"):
        distill(*arguments)


def test_a_tagger_and_entities(bert: str, tmp_path: Path) -> None:
    teacher = trained(bert, ["tagger", "ner"], "last", steps=3)
    teacher.to_disk(tmp_path / "teacher")
    DocBin(docs=gold_docs(spacy.blank("xx"))).to_disk(tmp_path / "corpus.spacy")
    student = write_student(bert, tmp_path, ["tagger", "ner"], tmp_path / "corpus.spacy")
    texts = Texts(tmp_path / "corpus.spacy")
    done = distill(str(tmp_path / "teacher"), student, tmp_path / "out", texts)
    assert done.soft == ["tagger"]
    nlp = spacy.load(tmp_path / "out" / "model-best")
    for example in examples(nlp):
        theirs, own = teacher(example.text), nlp(example.text)
        assert [t.tag_ for t in own] == [t.tag_ for t in theirs]


def test_the_command(knows_the_rule: Path, student: Path, tmp_path: Path) -> None:
    arguments = ["distill", str(knows_the_rule), str(student), str(tmp_path / "out")]
    arguments += ["--texts", str(tmp_path / "texts.txt"), "--labels", "smoothed"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "mean entropy" in result.output and "smoothed by" in result.output
    manifest = json.loads((tmp_path / "out" / "labels" / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["key"]["components"] == ["textcat"]
    result = CliRunner().invoke(app, [*arguments, "--components", "ner"])
    assert result.exit_code == 1 and "in common" in result.output


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"labels": "no"}, 'labels = "no": expected one of soft, hard, smoothed'),
        ({"temperature": 0.0}, "temperature = 0.0"),
        ({"gold": 1.5}, "gold = 1.5"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DistillSettings(**settings)
