"""Evaluation of whole pipelines, with answers known beforehand."""

import csv
import gc
import json
import os
from pathlib import Path

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span

from dlfa_spacy.corpora import set_language, write_docs
from dlfa_spacy.evaluation import evaluate, find_languages, pipeline_tasks, write_evaluation
from dlfa_spacy.evaluation.model_info import encoder_name, training_seed, variant

BERLIN = [{"label": "LOC", "pattern": "Berlin"}, {"label": "PER", "pattern": "Ada"}]


def make_doc(nlp: Language, words, *, ents=(), tags=None, cats=None, spaces=None, language="de"):
    doc = Doc(nlp.vocab, words=words, spaces=spaces, tags=tags, pos=tags, ents=["O"] * len(words))
    doc.ents = [Span(doc, start, end, label) for start, end, label in ents]
    doc.cats = cats or {}
    set_language(doc, language)
    return doc


@pytest.fixture
def ruler() -> Language:
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns(BERLIN)
    return nlp


@Language.component("upper_is_propn", assigns=["token.pos"])
def upper_is_propn(doc: Doc) -> Doc:
    for token in doc:
        token.pos_ = "PROPN" if token.text[0].isupper() else "NOUN"
    return doc


@Language.component("long_is_sports", assigns=["doc.cats"])
def long_is_sports(doc: Doc) -> Doc:
    doc.cats = {"sports": float(len(doc) > 2), "health": float(len(doc) <= 2)}
    return doc


def test_entities_are_scored_per_language_with_mean_and_gap(ruler, tmp_path):
    # English: 1 of 1; German: 1 right, 1 missed; French: nothing found.
    write_docs(
        [make_doc(ruler, ["Ada", "sat"], ents=[(0, 1, "PER")])], tmp_path / "en" / "test.spacy"
    )
    write_docs(
        [
            make_doc(ruler, ["in", "Berlin"], ents=[(1, 2, "LOC")]),
            make_doc(ruler, ["in", "Rom"], ents=[(1, 2, "LOC")]),
        ],
        tmp_path / "de" / "test.spacy",
    )
    write_docs(
        [make_doc(ruler, ["à", "Lyon"], ents=[(1, 2, "LOC")])], tmp_path / "fr" / "test.spacy"
    )
    evaluation = evaluate(ruler, tmp_path)
    scores = {r.language: r.scores["ner_span_f1"] for r in evaluation.languages}
    assert scores == {"en": 1.0, "de": pytest.approx(2 / 3), "fr": 0.0}
    summary = evaluation.summary("ner_span_f1")
    assert summary.targets_mean == pytest.approx(1 / 3)
    assert summary.gap == pytest.approx(2 / 3)
    assert summary.n_targets == 2
    german = next(r for r in evaluation.languages if r.language == "de")
    assert (german.n_docs, german.n_tokens) == (2, 4)
    assert german.ner_f1_per_type == {"LOC": pytest.approx(2 / 3)}


def test_span_scores_equal_those_of_spacys_own_scorer(ruler, tmp_path):
    from spacy.scorer import Scorer
    from spacy.training import Example

    golds = [
        make_doc(ruler, ["Ada", "in", "Berlin"], ents=[(0, 1, "PER")]),
        make_doc(ruler, ["Berlin", "Ada"], ents=[(0, 2, "LOC")]),
        make_doc(ruler, ["nichts"]),
    ]
    write_docs(golds, tmp_path / "de" / "test.spacy")
    (result,) = evaluate(ruler, tmp_path).languages
    examples = [Example(ruler(gold.text), gold) for gold in golds]
    expected = Scorer.score_spans(examples, "ents")
    assert result.scores["ner_span_f1"] == pytest.approx(expected["ents_f"])
    assert result.scores["ner_span_precision"] == pytest.approx(expected["ents_p"])
    assert result.scores["ner_span_recall"] == pytest.approx(expected["ents_r"])


def test_raw_text_counts_gold_spans_off_token_boundaries_as_lost(ruler, tmp_path):
    # The pipeline sees one token where gold has two, so "Berlin" cannot be found.
    gold = make_doc(ruler, ["Berlin", "heute"], ents=[(0, 1, "LOC")], spaces=[False, False])
    write_docs([gold], tmp_path / "de" / "test.spacy")
    (with_gold,) = evaluate(ruler, tmp_path).languages
    (raw,) = evaluate(ruler, tmp_path, gold_tokens=False).languages
    assert with_gold.scores["ner_span_f1"] == 1.0
    assert with_gold.counts["ner_gold_spans_off_token_boundaries"] == 0
    assert raw.scores["ner_span_f1"] == 0.0
    assert raw.counts["ner_gold_spans_off_token_boundaries"] == 1
    assert any("de 1" in s for s in evaluate(ruler, tmp_path, gold_tokens=False).statements())


def test_raw_text_counts_misaligned_tokens_as_errors(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("upper_is_propn")
    gold = make_doc(
        nlp,
        ["Ada", "geht", "nach", "haus", "e"],
        tags=["PROPN", "NOUN", "ADP", "NOUN", "NOUN"],
        spaces=[True, True, True, False, False],
    )
    write_docs([gold], tmp_path / "de" / "test.spacy")
    (with_gold,) = evaluate(nlp, tmp_path).languages
    assert with_gold.scores["pos_token_accuracy"] == pytest.approx(4 / 5)
    assert "pos_word_f1" not in with_gold.scores
    (raw,) = evaluate(nlp, tmp_path, gold_tokens=False).languages
    assert raw.scores["pos_token_accuracy"] == pytest.approx(2 / 5)
    assert raw.counts["pos_misaligned_gold_tokens"] == 2
    # 2 right words, 4 predicted, 5 gold.
    assert raw.scores["pos_word_f1"] == pytest.approx(2 * 2 / 9)
    assert "pos_chunk_f1_seqeval1" not in raw.scores


def test_chunk_f1_stands_beside_accuracy_and_equals_seqeval(tmp_path):
    seqeval = pytest.importorskip("seqeval.metrics")
    nlp = spacy.blank("xx")
    nlp.add_pipe("upper_is_propn")
    words = [["Ada", "Bo", "Cy", "geht"], ["nach", "Rom", "und", "bleibt"]]
    tags = [["PROPN", "PROPN", "NOUN", "VERB"], ["ADP", "PROPN", "CCONJ", "NOUN"]]
    docs = [make_doc(nlp, w, tags=t) for w, t in zip(words, tags, strict=True)]
    write_docs(docs, tmp_path / "de" / "test.spacy")
    (result,) = evaluate(nlp, tmp_path).languages
    predicted = [["PROPN" if w[0].isupper() else "NOUN" for w in ws] for ws in words]
    with pytest.warns(UserWarning, match="seems not to be NE tag"):
        expected = seqeval.f1_score(tags, predicted)
    assert result.scores["pos_chunk_f1_seqeval1"] == pytest.approx(expected)
    assert result.scores["pos_token_accuracy"] == pytest.approx(4 / 8)


def test_categories_are_scored_by_accuracy_and_macro_f1(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("long_is_sports")
    sports, health = {"sports": 1.0, "health": 0.0}, {"sports": 0.0, "health": 1.0}
    docs = [
        make_doc(nlp, ["a", "b", "c"], cats=sports),
        make_doc(nlp, ["a"], cats=sports),
        make_doc(nlp, ["a"], cats=health),
    ]
    write_docs(docs, tmp_path / "de" / "test.spacy")
    (result,) = evaluate(nlp, tmp_path).languages
    assert result.scores["textcat_accuracy"] == pytest.approx(2 / 3)
    assert result.scores["textcat_macro_f1"] == pytest.approx(2 / 3)


def test_several_categories_at_once_are_refused(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("long_is_sports")
    doc = make_doc(nlp, ["a"], cats={"sports": 1.0, "health": 1.0})
    write_docs([doc], tmp_path / "de" / "test.spacy")
    with pytest.raises(ValueError, match="found 2 labels that hold .*expected exactly one"):
        evaluate(nlp, tmp_path)


def test_only_tasks_of_both_pipeline_and_corpus_are_scored(ruler, tmp_path):
    doc = make_doc(ruler, ["Ada"], ents=[(0, 1, "PER")], tags=["PROPN"])
    write_docs([doc], tmp_path / "de" / "test.spacy")
    assert evaluate(ruler, tmp_path).metrics == [
        "ner_span_f1",
        "ner_span_precision",
        "ner_span_recall",
    ]


def test_a_corpus_that_fits_no_task_is_refused(ruler, tmp_path):
    doc = Doc(ruler.vocab, words=["Ada"], pos=["PROPN"])
    write_docs([doc], tmp_path / "de" / "test.spacy")
    with pytest.raises(ValueError, match="found 1 texts without annotation for ner"):
        evaluate(ruler, tmp_path)


def test_a_pipeline_that_predicts_nothing_is_refused(tmp_path):
    nlp = spacy.blank("xx")
    nlp.add_pipe("doc_cleaner")
    with pytest.raises(ValueError, match="found the components doc_cleaner, expected one that"):
        pipeline_tasks(nlp)


def test_the_tagger_is_read_from_tag_and_with_a_ruler_from_pos():
    nlp = spacy.blank("xx")
    nlp.add_pipe("tagger")
    assert pipeline_tasks(nlp).pos == "TAG"
    nlp.add_pipe("attribute_ruler")
    assert pipeline_tasks(nlp).pos == "POS"
    other = spacy.blank("xx")
    other.add_pipe("morphologizer")
    assert pipeline_tasks(other).pos == "POS"


def test_public_formats_are_read_directly_and_give_the_same_scores(ruler, tmp_path):
    path = tmp_path / "raw" / "de" / "test.iob2"
    path.parent.mkdir(parents=True)
    path.write_text("Ada\tI-PER\nin\tO\nRom\tB-LOC\n", encoding="utf-8")
    docs = [make_doc(ruler, ["Ada", "in", "Rom"], ents=[(0, 1, "PER"), (2, 3, "LOC")])]
    write_docs(docs, tmp_path / "converted" / "de" / "test.spacy")
    (direct,) = evaluate(ruler, tmp_path / "raw").languages
    (converted,) = evaluate(ruler, tmp_path / "converted").languages
    assert direct.scores == converted.scores
    assert direct.reading_notes == {"repaired_tags": 1} and converted.reading_notes == {}
    statements = evaluate(ruler, tmp_path / "raw").statements()
    assert "While reading, tags repaired to IOB2: de 1." in statements


def test_a_split_is_replaced_by_the_next_one_and_that_is_stated(ruler, tmp_path):
    doc = make_doc(ruler, ["Ada"], ents=[(0, 1, "PER")])
    for name in ("de/test", "de/dev", "fr/dev"):
        write_docs([doc], tmp_path / f"{name}.spacy")
    files = find_languages(tmp_path, ["test", "dev"])
    assert [(f.language, f.split) for f in files] == [("de", "test"), ("fr", "dev")]
    evaluation = evaluate(ruler, tmp_path, splits=["test", "dev"])
    assert "No test split in: fr (dev)." in evaluation.statements()
    assert [r.language for r in evaluate(ruler, tmp_path).languages] == ["de"]


def test_a_language_asked_for_but_missing_is_an_error(ruler, tmp_path):
    write_docs([make_doc(ruler, ["Ada"])], tmp_path / "de" / "dev.spacy")
    with pytest.raises(ValueError, match="found dev for the language 'de', expected the split te"):
        find_languages(tmp_path, ["test"], ["de"])
    with pytest.raises(ValueError, match="found nothing for the language 'it'"):
        find_languages(tmp_path, ["dev"], ["it"])
    with pytest.raises(ValueError, match="found no <lang>/<split>"):
        find_languages(tmp_path, ["test"])
    with pytest.raises(ValueError, match="found no folder there"):
        find_languages(tmp_path / "nowhere", ["test"])


def test_the_components_know_the_language_of_each_doc(tmp_path):
    seen = []

    @Language.component("notes_language", assigns=["doc.ents"])
    def notes_language(doc: Doc) -> Doc:
        seen.append(doc._.language)
        return doc

    nlp = spacy.blank("xx")
    nlp.add_pipe("notes_language")
    for language in ("de", "zh"):
        write_docs([make_doc(nlp, ["a"], language=language)], tmp_path / language / "test.spacy")
    evaluate(nlp, tmp_path)
    evaluate(nlp, tmp_path, gold_tokens=False)
    assert seen == ["de", "zh", "de", "zh"]


@pytest.mark.slow
def test_no_doc_outlives_its_batch(ruler, tmp_path):
    write_docs([make_doc(ruler, ["Ada", "x"]) for _ in range(200)], tmp_path / "de/test.spacy")
    most = read = 0

    def count() -> None:
        nonlocal most, read
        read += 1
        # Looking through all objects takes its time.
        if read % 20 == 0:
            most = max(most, sum(type(item) is Doc for item in gc.get_objects()))

    gc.collect()
    before = sum(type(item) is Doc for item in gc.get_objects())
    evaluate(ruler, tmp_path, batch_size=4, on_doc=count)
    assert 0 < most - before < 40


def test_a_limit_scores_a_stated_draw(ruler, tmp_path):
    write_docs([make_doc(ruler, ["Ada"]) for _ in range(30)], tmp_path / "de" / "test.spacy")
    evaluation = evaluate(ruler, tmp_path, limit=7)
    assert evaluation.languages[0].n_docs == 7
    assert "At most 7 texts per language, drawn with seed 0." in evaluation.statements()


def test_how_many_texts_there_are_is_told_where_it_is_known(ruler, tmp_path):
    write_docs([make_doc(ruler, ["Ada"]) for _ in range(30)], tmp_path / "de" / "test.spacy")
    docs = [make_doc(ruler, ["Ada"]) for _ in range(5)]
    write_docs(docs, tmp_path / "en" / "test.spacy", shard_size=2)
    (tmp_path / "fr").mkdir()
    (tmp_path / "fr" / "test.iob2").write_text("Ada\tB-PER\n\nAda\tB-PER\n")
    for limit, expected in ((0, [30, 5]), (3, [3, 3, 2])):
        told: list[int] = []
        evaluate(ruler, tmp_path, limit=limit, on_total=told.append)
        assert told == expected


def test_a_tokenizer_that_changes_the_text_is_refused(tmp_path, ruler):
    write_docs([make_doc(ruler, ["Ada"])], tmp_path / "de" / "test.spacy")
    nlp = spacy.blank("xx")
    nlp.add_pipe("entity_ruler").add_patterns(BERLIN)
    nlp.tokenizer = lambda text: Doc(nlp.vocab, words=[text.lower()])
    with pytest.raises(ValueError, match="found 'ada  ', expected 'Ada '"):
        evaluate(nlp, tmp_path, gold_tokens=False)


def test_the_three_files_hold_the_same_scores_and_appear_whole(ruler, tmp_path):
    write_docs([make_doc(ruler, ["Ada"], ents=[(0, 1, "PER")])], tmp_path / "in/en/test.spacy")
    write_docs([make_doc(ruler, ["Rom"], ents=[(0, 1, "LOC")])], tmp_path / "in/de/test.spacy")
    run = {"name": "demo", "variant": "rules", "seed": 3, "train_data": "two patterns"}
    evaluation = evaluate(ruler, tmp_path / "in", run=run)
    out = tmp_path / "out"
    write_evaluation(evaluation, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "scores.csv",
        "scores.json",
        "scores.md",
    ]
    content = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    assert content["run"] == {**run, "eval_data": "in"}
    assert content["summary"]["ner_span_f1"] == {
        "source": 1.0,
        "targets_mean": 0.0,
        "gap": 1.0,
        "n_targets": 1,
    }
    assert content["metrics"]["ner_span_f1"].startswith("NER, micro-averaged span F1")
    assert content["languages"]["en"]["words_per_second"] > 0
    with (out / "scores.csv").open(encoding="utf-8", newline="") as file_:
        rows = list(csv.DictReader(file_))
    values = {r["language"]: float(r["value"]) for r in rows if r["metric"] == "ner_span_f1"}
    assert values == {"en": 1.0, "de": 0.0}
    assert {(r["task"], r["aggregator"], r["seed"]) for r in rows} == {("ner", "rules", "3")}
    markdown = (out / "scores.md").read_text(encoding="utf-8")
    assert "| en | test | 1 | 1 | 100.0 |" in markdown
    assert "training data: two patterns" in markdown
    assert "| **gap to en** |  |  |  | **100.0** |" in markdown


MIX = {"@layers": "dlfa_spacy.ScalarMix.v1"}


@pytest.mark.parametrize(
    "aggregation, expected",
    [
        ({"@layers": "dlfa_spacy.LastLayer.v1"}, "last"),
        ({"@layers": "dlfa_spacy.LayerAttention.v1"}, "attention"),
        ({"@layers": "dlfa_spacy.DoubleLayerFusion.v1"}, "dlfa-product"),
        ({"@layers": "dlfa_spacy.DoubleLayerFusion.v1", "layer": -3}, "dlfa-product"),
        ({"@layers": "dlfa_spacy.DoubleLayerFusion.v1", "gate": "sigmoid"}, "dlfa-sigmoid"),
        ({"@layers": "dlfa_spacy.DoubleLayerFusion.v1", "layer": -5}, "dlfa-product@-5"),
        ({"@layers": "dlfa_spacy.DoubleLayerFusion.v1", "layer": "control"}, "control"),
        (
            {"@layers": "dlfa_spacy.SelectedLayers.v1", "layers": [1, -1], "aggregation": MIX},
            "scalar-mix@1,-1",
        ),
    ],
)
def test_the_method_is_named_by_the_aggregation(aggregation, expected):
    nlp = spacy.blank("xx")
    listener = {
        "@architectures": "dlfa_spacy.TransformerListener.v1",
        "aggregation": aggregation,
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    model = {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}
    nlp.add_pipe("tagger", config={"model": model})
    assert variant(nlp) == expected


def test_the_seed_is_read_off_the_config_through_a_reference():
    nlp = spacy.blank("xx")
    nlp.config["system"] = {"seed": 7}
    nlp.config["training"]["seed"] = "${system.seed}"
    assert training_seed(nlp) == 7


def test_real_corpora_are_scored_in_every_language(ruler):
    data = os.environ.get("DLFA_DATA")
    if not data:
        pytest.skip("DLFA_DATA is not set: no real corpora to score")
    evaluation = evaluate(ruler, Path(data) / "ner-uner", splits=["test", "dev"], limit=50)
    assert {r.language for r in evaluation.languages} >= {"de", "en", "pt", "ru", "zh"}
    assert all(r.n_docs == 50 for r in evaluation.languages)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("bert-base-multilingual-cased", "bert-base-multilingual-cased"),
        ("assets/encoder", "assets/encoder"),
        (str(Path("/home/somebody/encoder").absolute()), "encoder"),
    ],
)
def test_no_absolute_path_of_an_encoder_gets_into_the_scores(name, expected, monkeypatch):
    nlp = spacy.blank("xx")
    model = {"@architectures": "dlfa_spacy.TransformerModel.v1", "name": name}
    monkeypatch.setattr(type(nlp), "config", {"components": {"transformer": {"model": model}}})
    assert encoder_name(nlp) == expected
