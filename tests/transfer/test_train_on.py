"""A pipeline trained further: what learns, what stays, and what it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
from life import (
    TEXTS,
    annotations,
    config,
    encoded,
    gold_docs,
    initialized,
    moved,
    parameters,
    trained,
)
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import write_docs
from dlfa_spacy.language import set_language
from dlfa_spacy.pipeline.confidence import find_confidence
from dlfa_spacy.pipeline.confidence.scaling import Scale
from dlfa_spacy.pipeline.resume import weights
from dlfa_spacy.transfer.train_on.annotation import annotation_of, find_learners
from dlfa_spacy.transfer.train_on.train_on import (
    META,
    TrainOnSettings,
    _own_texts_only,
    read_texts,
    train_on,
)

COMPONENTS = ["tagger", "morphologizer", "senter", "parser", "ner", "spancat", "textcat"]
QUICK = TrainOnSettings(epochs=2, batch_size=2)


@pytest.fixture(scope="module")
def saved(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    trained(bert, COMPONENTS, "last", steps=2).to_disk(folder)
    return folder


@pytest.fixture
def nlp(saved: Path) -> Language:
    return spacy.load(saved)


def plain(nlp: Language, *texts: str) -> list[Doc]:
    return [Doc(nlp.vocab, words=text.split()) for text in texts]


def with_entities(nlp: Language, label: str = "LOC", language: str = "de") -> list[Doc]:
    """Texts with nothing but entities; in the last one there are none."""
    docs = plain(nlp, "Anna lives in Berlin", "the Berlin", "the un able")
    for doc in docs:
        doc.ents = [Span(doc, t.i, t.i + 1, label) for t in doc if t.text == "Berlin"]
        set_language(doc, language)
    return docs


def changed(nlp: Language, before: dict[str, Any]) -> set[str]:
    after = weights(nlp, [])
    return {place.split("/")[0] for place in before if not (before[place] == after[place]).all()}


def copied(nlp: Language) -> dict[str, Any]:
    return {place: numpy.array(value) for place, value in weights(nlp, []).items()}


def test_only_what_the_texts_have_annotation_for_learns(nlp: Language, tmp_path: Path) -> None:
    before, config, labels = copied(nlp), nlp.config.to_str(), nlp.pipe_labels
    said = annotations(nlp.pipe(TEXTS))
    done = train_on(nlp, with_entities(nlp), QUICK)
    assert done.learners == ["ner"] and changed(nlp, before) == {"ner"}
    assert nlp.config.to_str() == config and nlp.pipe_labels == labels
    nlp.to_disk(tmp_path / "out")
    found = spacy.load(tmp_path / "out")
    now = annotations(found.pipe(TEXTS))
    assert now == annotations(nlp.pipe(TEXTS))
    for one, other in zip(said, now, strict=True):
        assert {**one, "ents": 0} == {**other, "ents": 0}
    entry = found.meta[META][0]
    assert entry["components"] == ["ner"] and entry["texts"] == {"de": 3} and not entry["mixed_in"]
    assert found.meta["version"] == "0.0.0+1"
    train_on(nlp, with_entities(nlp), QUICK)
    assert nlp.meta["version"] == "0.0.0+2" and len(nlp.meta[META]) == 2


def test_it_learns_what_it_is_corrected_to(bert: str) -> None:
    nlp = trained(bert, ["ner"], "last", steps=30)
    docs = with_entities(nlp, "PER")
    train_on(nlp, docs, TrainOnSettings(epochs=60, learn_rate=1e-2, dropout=0.0))
    assert [ent.label_ for doc in nlp.pipe(doc.text for doc in docs) for ent in doc.ents] == [
        "PER",
        "PER",
    ]
    # A label that no correction has is still there.
    assert set(nlp.get_pipe("ner").labels) == {"LOC", "PER"}


def test_every_component_is_told_from_unset_annotation(nlp: Language) -> None:
    full, bare = gold_docs(nlp), plain(nlp, *TEXTS)
    assert find_learners(nlp, full) == COMPONENTS
    for name in COMPONENTS:
        annotation = annotation_of(nlp.get_pipe(name))
        assert annotation is not None
        assert all(annotation.has(nlp.get_pipe(name), doc) for doc in full)
        assert not any(annotation.has(nlp.get_pipe(name), doc) for doc in bare)
        known = set(nlp.get_pipe(name).labels)  # type: ignore[attr-defined]
        own = {x for doc in full for x in annotation.labels(nlp.get_pipe(name), doc)}
        assert own <= known and (own or name == "senter")


def test_unset_annotation_teaches_nothing(nlp: Language) -> None:
    """To stock `senter` and `spancat` a text without annotation has no sentences and no spans."""
    before = copied(nlp)
    batch = [Example(nlp.make_doc(doc.text), doc) for doc in plain(nlp, *TEXTS)]
    settings: dict[str, Any] = {"exclude": ["transformer"], "annotates": ["transformer"]}
    with _own_texts_only(nlp, COMPONENTS):
        nlp.update(batch, sgd=nlp.create_optimizer(), **settings)
    assert changed(nlp, before) == set()
    nlp.update(batch, sgd=nlp.create_optimizer(), **settings)
    assert {"senter", "spancat"} <= changed(nlp, before)


def test_a_text_that_has_no_entities_is_one_that_was_annotated(nlp: Language) -> None:
    docs = plain(nlp, "Anna lives in Berlin")
    with pytest.raises(ValueError, match="annotation for none.*Expected some for one of tagger"):
        train_on(nlp, docs, QUICK)
    docs[0].ents = []
    assert train_on(nlp, docs, QUICK).learners == ["ner"]


def test_a_component_that_was_asked_for_needs_annotation(nlp: Language) -> None:
    settings = TrainOnSettings(components=("ner", "tagger"))
    with pytest.raises(ValueError, match="components = ner, tagger.*some for tagger"):
        train_on(nlp, with_entities(nlp), settings)
    docs = gold_docs(nlp)
    before = copied(nlp)
    train_on(nlp, docs, TrainOnSettings(components=("tagger",), epochs=1))
    assert changed(nlp, before) == {"tagger"}


@pytest.mark.parametrize(
    ("name", "spoil", "advice"),
    [
        ("ner", lambda doc: setattr(doc, "ents", [Span(doc, 0, 1, "MISC")]), "add_label"),
        ("tagger", lambda doc: setattr(doc[0], "tag_", "XY"), "from the beginning"),
        ("morphologizer", lambda doc: doc[0].set_morph("Case=Nom"), "from the beginning"),
    ],
)
def test_a_label_that_is_not_known_is_refused(
    nlp: Language, name: str, spoil: Callable[[Doc], None], advice: str
) -> None:
    docs = gold_docs(nlp)
    spoil(docs[0])
    before = copied(nlp)
    with pytest.raises(ValueError, match=f"{name}: found the labels .*1 times.*{advice}"):
        train_on(nlp, docs, QUICK)
    assert not changed(nlp, before)


def test_english_is_mixed_in_as_often(nlp: Language) -> None:
    english = with_entities(nlp, language="en") * 4
    done = train_on(nlp, with_entities(nlp), QUICK, beside=english)
    assert (done.texts, done.mixed_in) == ({"de": 3}, {"en": 3})
    with pytest.raises(ValueError, match="Expected some for ner"):
        train_on(nlp, with_entities(nlp), QUICK, beside=plain(nlp, *TEXTS))


@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer"])
def test_an_encoder_that_was_fine_tuned_stays(bert: str, factory: str) -> None:
    nlp = trained(bert, ["ner", "tagger"], "mix", factory)
    before = parameters(nlp)
    own = copied(nlp)
    train_on(nlp, with_entities(nlp), QUICK)
    assert not moved(before, parameters(nlp)) and changed(nlp, own) == {"ner"}


def test_an_encoder_of_a_component_s_own_stays(bert: str) -> None:
    nlp = trained(bert, ["ner"], "last")
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")

    def inner() -> dict[str, numpy.ndarray]:
        model: Any = nlp.get_pipe("ner").model
        encoder = next(node for node in model.walk() if hasattr(node, "ledger"))
        named = encoder.transformer.named_parameters()
        return {name: p.detach().numpy().copy() for name, p in named}

    before, own = inner(), copied(nlp)
    train_on(nlp, with_entities(nlp), QUICK)
    assert not moved(before, inner()) and changed(nlp, own) == {"ner"}


def test_each_text_is_encoded_once(bert: str) -> None:
    made = config(bert, ["ner"], "last")
    made["components"]["transformer"]["cache"] = "10MB"
    nlp = initialized(load_model_from_config(made, auto_fill=True))
    docs = with_entities(nlp)
    with encoded() as runs:
        list(nlp.pipe([doc.text for doc in docs]))
    (once,) = [sum(runs)]
    with encoded() as runs:
        train_on(nlp, docs, TrainOnSettings(epochs=10))
    # The first batch is annotated before anybody has trained.
    assert sum(runs) == 2 * once


def test_dev_chooses_the_epoch(nlp: Language) -> None:
    done = train_on(nlp, with_entities(nlp), QUICK, dev=with_entities(nlp))
    assert len(done.trained.history) == 2
    assert "ents_f" in nlp.meta["performance"]
    # What it scored before, nobody knows now.
    train_on(nlp, with_entities(nlp), QUICK)
    assert nlp.meta["performance"] == {}


def test_the_same_seed_gives_the_same_weights(saved: Path) -> None:
    found = []
    for seed in (0, 0, 1):
        nlp = spacy.load(saved)
        settings = TrainOnSettings(epochs=2, batch_size=2, seed=seed)
        train_on(nlp, with_entities(nlp), settings)
        found.append(copied(nlp))
        if seed:
            assert changed(nlp, found[0]) == {"ner"}
        else:
            assert not changed(nlp, found[0])


def test_confidences_of_what_learned_are_fitted_no_more(nlp: Language) -> None:
    component = find_confidence(nlp)
    for name in ("ner", "tagger"):
        component.scales[name] = {"": Scale(2.0)}
        component.fitted_on[name] = {"texts": "en/dev", "n": 3}
    assert train_on(nlp, with_entities(nlp), QUICK).uncalibrated == ["ner"]
    assert set(component.scales) == set(component.fitted_on) == {"tagger"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "epochs = 0"),
        ({"learn_rate": 0.0}, "learn_rate = 0.0"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"dropout": 1.0}, "dropout = 1.0"),
    ],
)
def test_wrong_settings_of_training_further(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}: expected .*Fix"):
        TrainOnSettings(**settings)


def test_from_the_command_line(saved: Path, tmp_path: Path) -> None:
    nlp = spacy.load(saved)
    corpus = tmp_path / "corpus"
    write_docs(with_entities(nlp), corpus / "de" / "train.spacy")
    write_docs(with_entities(nlp, language="fr"), corpus / "fr" / "train.spacy")
    # What is scored is not read.
    write_docs(with_entities(nlp, "WRONG"), corpus / "de" / "test.spacy")
    write_docs(with_entities(nlp, language="en"), tmp_path / "en.spacy")
    assert len(read_texts(nlp, corpus, "train")) == 6
    out = tmp_path / "out"
    arguments = ["train-on", str(saved), str(corpus), str(out), "--epochs", "1"]
    arguments += ["--with", str(tmp_path / "en.spacy"), "--dev", str(tmp_path / "en.spacy")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "ner trained on 3 de, 3 fr, with 3 en" in result.output
    assert "score on dev" in result.output
    assert spacy.load(out).meta[META][0]["texts"] == {"de": 3, "fr": 3}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    arguments[3] = str(tmp_path / "other")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1 and "is no pipeline" in result.output
    result = CliRunner().invoke(app, [*arguments, "--curve", "0,2"])
    assert result.exit_code == 1 and "--test" in result.output
