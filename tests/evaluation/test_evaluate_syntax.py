"""Trees, features, sentences and spans: what spaCy's own scorer says, or the CoNLL 2018 task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, Span
from spacy.training import Example

from dlfa_spacy.corpora import write_docs
from dlfa_spacy.evaluation import evaluate, pipeline_tasks
from dlfa_spacy.evaluation.scorer import LanguageScorer
from dlfa_spacy.evaluation.tasks import PipelineTasks

WORDS = ["She", "reads", "old", "books", "He", "sleeps"]
HEADS = [1, 1, 3, 1, 5, 5]
RELATIONS = ["nsubj", "ROOT", "amod", "obj", "nsubj", "ROOT"]
FEATURES = ["Case=Nom", "Mood=Ind", "", "Number=Plur", "Case=Nom", "Mood=Ind"]
ALL = PipelineTasks(morphologizer=True, parser=True, sentences=True, spans_keys=("sc",))


def tree(
    heads: Sequence[int] = HEADS,
    relations: Sequence[str] = RELATIONS,
    features: Sequence[str] | None = FEATURES,
    spans: Sequence[tuple[int, int, str]] | None = ((0, 2, "A"), (1, 4, "B")),
    words: Sequence[str] = WORDS,
    spaces: Sequence[bool] | None = None,
) -> Doc:
    vocab = spacy.blank("xx").vocab
    doc = Doc(vocab, words=words, spaces=spaces, heads=heads, deps=relations)
    for token, made in zip(doc, features or (), strict=features is not None):
        token.set_morph(made)  # type: ignore[attr-defined]
    if spans is not None:
        doc.spans["sc"] = [Span(doc, start, end, label) for start, end, label in spans]
    return doc


OTHER: dict[str, Any] = {
    # One head and another relation are wrong, and there is one sentence.
    "heads": [1, 1, 1, 1, 5, 1],
    "relations": ["nsubj", "ROOT", "amod", "nmod", "nsubj", "conj"],
    "features": ["Case=Nom", "", "", "Number=Sing", "", "Mood=Ind"],
    "spans": [(0, 2, "A"), (1, 4, "A"), (2, 3, "B")],
}


def scored(
    gold: Doc, predicted: Doc, tasks: PipelineTasks = ALL, *, gold_tokens: bool = True
) -> dict[str, float]:
    scorer = LanguageScorer(tasks, gold_tokens=gold_tokens)
    scorer.add(gold, predicted)
    return scorer.scores()


@pytest.mark.parametrize("changes", [{}, OTHER, {"heads": [1, 1, 3, 1, 3, 3]}])
def test_scores_equal_those_of_spacys_own_scorer(changes: dict[str, Any]) -> None:
    gold, predicted = tree(), tree(**changes)
    examples = [Example(predicted, gold)]
    theirs = {
        **Scorer.score_deps(examples, "dep", ignore_labels=()),
        **Scorer.score_token_attr(examples, "morph"),
        **Scorer.score_spans(examples, "sents", has_annotation=lambda doc: True),
        **Scorer.score_spans(
            examples,
            "spans_sc",
            getter=lambda doc, _: doc.spans["sc"],
            allow_overlap=True,
        ),
    }
    assert scored(gold, predicted) == pytest.approx(
        {
            "parser_uas": theirs["dep_uas"],
            "parser_las": theirs["dep_las"],
            "morphologizer_accuracy": theirs["morph_acc"],
            "sentences_f1": theirs["sents_f"],
            "spancat_f1": theirs["spans_sc_f"],
        }
    )


def test_a_relation_counts_without_its_subtype_and_punctuation_counts() -> None:
    words, heads = ["They", "were", "seen", "."], [2, 2, 2, 2]
    gold = tree(heads, ["nsubj:pass", "aux:pass", "ROOT", "punct"], None, None, words)
    predicted = tree([2, 2, 2, 1], ["nsubj", "aux:other", "ROOT", "punct"], None, None, words)
    assert scored(gold, predicted) == {"parser_uas": 0.75, "parser_las": 0.75}
    # A head is right by its characters, not by its number.
    assert scored(gold, tree([2, 2, 2, 2], ["obj", "aux", "ROOT", "punct"], None, None, words)) == {
        "parser_uas": 1.0,
        "parser_las": 0.75,
    }


def bare_tree(words: str, heads: Sequence[int], relations: str) -> Doc:
    """Words of a text, an underscore where no space follows."""
    parts = words.split()
    spaces = [not word.endswith("_") for word in parts[:-1]] + [False]
    return tree(heads, relations.split(), None, None, [w.rstrip("_") for w in parts], spaces)


def test_tokens_cut_elsewhere_are_errors_and_so_is_what_hangs_on_them() -> None:
    gold = bare_tree("We can_ not go", [3, 3, 3, 3], "nsubj aux advmod ROOT")
    predicted = bare_tree("We cannot go", [2, 2, 2], "nsubj aux ROOT")
    assert scored(gold, predicted, gold_tokens=False) == {"parser_uas": 0.5, "parser_las": 0.5}
    gold = bare_tree("can_ not go", [0, 0, 1], "ROOT advmod xcomp")
    predicted = bare_tree("cannot go", [0, 0], "ROOT xcomp")
    assert scored(gold, predicted, gold_tokens=False)["parser_las"] == 0.0


def test_what_the_gold_texts_do_not_have_is_not_scored() -> None:
    bare = Doc(spacy.blank("xx").vocab, words=WORDS)
    assert scored(bare, tree()) == {}
    # A token that nobody annotated is left out; one without features is not.
    bare[0].set_morph("Case=Nom")  # type: ignore[attr-defined]
    bare[2].set_morph("")  # type: ignore[attr-defined]
    wrong = tree(features=["Case=Nom", "", "Number=Plur", "", "", ""])
    assert scored(bare, wrong) == {"morphologizer_accuracy": 0.5}
    # Where every text is one sentence there is none to find.
    one = tree(HEADS[:4], RELATIONS[:4], None, None, WORDS[:4])
    assert set(scored(one, one)) == {"parser_uas", "parser_las"}


@Language.component("first_is_root", assigns=["token.head", "token.dep", "token.is_sent_start"])
def first_is_root(doc: Doc) -> Doc:
    for token in doc:
        token.head, token.dep_ = doc[0], "dep" if token.i else "ROOT"
    return doc


def test_the_table_has_a_column_for_each(tmp_path: Path) -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("first_is_root")
    nlp.add_pipe("spancat", config={"spans_key": "found"})
    tasks = pipeline_tasks(nlp)
    assert tasks.names == ["parser", "sentences", "spancat"]
    assert tasks.spans_keys == ("found",)
    nlp.remove_pipe("spancat")
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        write_docs(
            [tree([0, 0, 0], ["ROOT", "a", "dep"], None, None, WORDS[:3]), tree()],
            tmp_path / language / "test.spacy",
        )
    found = evaluate(nlp, tmp_path)
    assert found.metrics == ["parser_las", "parser_uas", "sentences_f1"]
    assert found.summary("parser_las").targets_mean == pytest.approx(2 / 9)
    assert found.summary("parser_uas").gap == 0.0
    assert found.languages[0].counts["parser_gold_tokens"] == 9
