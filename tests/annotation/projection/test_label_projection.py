"""Labels of an English pipeline on translations, in Docs and by `dlfa project-labels`."""

from pathlib import Path
from typing import Any

import pytest
import spacy
from life import initialized, pipeline
from places import ROOT
from spacy.language import Language
from spacy.tokens import Doc, Span
from typer.testing import CliRunner

from dlfa_spacy.annotation.projection import EncoderLinks, Projection, Tally, project, silver_docs
from dlfa_spacy.cli import app
from dlfa_spacy.corpora import get_language, read_docs
from dlfa_spacy.corpora.bare import bare_doc
from dlfa_spacy.metrics.span_f1 import SpanF1
from dlfa_spacy.parallel import ParallelCorpus, SentencePair
from dlfa_spacy.pipeline.sources import open_source
from dlfa_spacy.tokenizer import make_tokenizer

ENGLISH = "Ana saw the Red Sea".split()
GERMAN = "Das Rote Meer sah Ana gestern".split()
LINKS = [(0, 2), (1, 3), (2, 4), (3, 1), (4, 0)]
NAMES = {"PER": ["Ana", "Dr Ana"], "LOC": ["Red Sea", "Rome", "York", "New York"]}


def ruled() -> Language:
    nlp = spacy.blank("xx")
    nlp.tokenizer = make_tokenizer(nlp)
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": k, "pattern": name} for k, v in NAMES.items() for name in v])
    return nlp


def projected(
    links: list[tuple[int, int]], english: Doc | None = None, **settings: Any
) -> tuple[Doc, Tally, bool]:
    nlp = ruled()
    if english is None:
        english = nlp(Doc(nlp.vocab, words=ENGLISH))
    foreign, tally = Doc(nlp.vocab, words=GERMAN), Tally()
    kept = project(english, foreign, links, Projection(**settings), tally)
    return foreign, tally, kept


def iob(doc: Doc) -> list[str]:
    """RETURNS: IOB tag of each token; "" where it is missing."""
    return [token.ent_iob_ + (f"-{token.ent_type_}" if token.ent_type_ else "") for token in doc]


def test_entities_stand_where_their_words_are_linked() -> None:
    foreign, tally, kept = projected(LINKS)
    assert kept and iob(foreign) == ["O", "B-LOC", "I-LOC", "O", "B-PER", "O"]
    assert (tally.pairs, tally.written, tally.entities, tally.carried) == (1, 1, 2, 2)
    assert not tally.lost


def test_where_a_lost_entity_may_be_the_annotation_is_missing() -> None:
    # Nothing is linked to Ana: it may be any word that is linked to nothing.
    foreign, tally, kept = projected(LINKS[:-1])
    assert kept and iob(foreign) == ["O", "B-LOC", "I-LOC", "O", "", ""]
    assert tally.lost == {"unlinked": 1} and tally.carried == 1
    # Red and Sea are linked to words too far apart.
    foreign, tally, kept = projected([(0, 3), (4, 0), (5, 4)])
    assert kept and iob(foreign) == ["", "", "", "", "B-PER", ""]
    assert tally.lost == {"gap": 1}


def test_a_sentence_that_lost_an_entity_may_be_dropped() -> None:
    _, tally, kept = projected(LINKS[:-1], lost="drop")
    assert not kept and (tally.pairs, tally.written, tally.carried) == (1, 0, 1)
    assert projected(LINKS, lost="drop")[2]


@pytest.fixture
def confident() -> Any:
    had = Span.has_extension("confidence")
    if not had:
        Span.set_extension("confidence", default=None)
    nlp = ruled()
    yield nlp(Doc(nlp.vocab, words=ENGLISH))
    if not had:
        Span.remove_extension("confidence")


def test_an_entity_below_the_confidence_is_masked_in_its_place(confident: Doc) -> None:
    for ent, confidence in zip(confident.ents, (0.4, 0.9), strict=True):
        ent._.confidence = confidence
    foreign, tally, _ = projected(LINKS, confident, min_confidence=0.5)
    assert iob(foreign) == ["O", "B-LOC", "I-LOC", "O", "", "O"]
    assert tally.lost == {"unsure": 1}


def test_a_confidence_that_nobody_sets_is_asked_for_in_vain() -> None:
    with pytest.raises(ValueError, match="dlfa calibrate"):
        projected(LINKS, min_confidence=0.5)


def test_a_word_has_the_tag_that_all_its_words_have_and_the_text_its_categories() -> None:
    nlp = ruled()
    tags = ["PROPN", "VERB", "DET", "ADJ", "NOUN"]
    english = Doc(nlp.vocab, words=ENGLISH, tags=tags, pos=tags)
    english.cats = {"sea": 1.0, "land": 0.0}
    foreign, _, _ = projected([*LINKS, (1, 2)], english, labels=("tags", "categories"))
    expected = ["DET", "", "NOUN", "VERB", "PROPN", ""]
    assert [token.tag_ for token in foreign] == [token.pos_ for token in foreign] == expected
    assert foreign.cats == english.cats
    assert not foreign.has_annotation("ENT_IOB")


def test_tags_that_are_no_parts_of_speech_are_tags_only() -> None:
    nlp = ruled()
    english = Doc(nlp.vocab, words=ENGLISH, tags=["NNP", "VBD", "DT", "NNP", "NNP"])
    foreign, _, _ = projected(LINKS, english, labels=("tags",))
    assert [token.tag_ for token in foreign] == ["DT", "NNP", "NNP", "VBD", "NNP", ""]
    assert not foreign.has_annotation("POS")


# From parallel text to corpora


def no_links(foreign: Any, english: Any) -> Any:
    raise AssertionError("links were looked for where nobody needs them")


def test_the_encoder_is_asked_only_where_the_file_has_no_links() -> None:
    pairs = [
        SentencePair("de", ["Rom", "!"], ["Rome", "!"], [(0, 0)]),
        SentencePair("de", ["Nichts"], ["Nothing"]),
    ]
    docs = list(silver_docs(pairs, ruled(), no_links, Projection(), Tally()))
    assert [iob(doc) for doc in docs] == [["B-LOC", "O"], ["O"]]
    pairs.append(SentencePair("de", ["Rom"], ["Rome"]))
    with pytest.raises(AssertionError, match="nobody"):
        list(silver_docs(pairs, ruled(), no_links, Projection(), Tally()))


def test_docs_outlive_the_memory_of_the_pipeline() -> None:
    pairs = [SentencePair("de", [f"Rom{i}"], ["Rome"], [(0, 0)]) for i in range(600)]
    docs = list(silver_docs(pairs, ruled(), no_links, Projection(), Tally()))
    assert [doc.text for doc in docs] == [f"Rom{i}" for i in range(600)]
    assert {ent.label_ for doc in docs for ent in doc.ents} == {"LOC"}
    assert {get_language(doc) for doc in docs} == {"de"}


def test_links_of_a_file_may_share_words(tmp_path: Path) -> None:
    path = tmp_path / "ja-en.tsv"
    path.write_text("ニュー ヨーク だ\tIt is New York\t0-2 1-2 1-3 2-1\n", encoding="utf-8")
    (single,) = ParallelCorpus(path)
    (every,) = ParallelCorpus(path, single_links=False)
    assert single.links == [(2, 1)] and len(every.links) == 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("projection")
    ruled().to_disk(folder / "ruled")
    parallel = folder / "parallel"
    parallel.mkdir()
    (parallel / "de-en.tsv").write_text(
        "Ana war in Rom .\tAna was in Rome .\t0-0 1-1 2-2 3-3 4-4\n"
        "Dort war Ana .\tAna was there .\t1-1 3-3\n",
        encoding="utf-8",
    )
    (parallel / "some.tmx").write_text(
        '<tmx version="1.4"><header/><body><tu><tuv xml:lang="en"><seg>Nothing</seg></tuv>'
        '<tuv xml:lang="fr"><seg>Rien</seg></tuv></tu></body></tmx>',
        encoding="utf-8",
    )
    return folder


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["project-labels", *map(str, arguments)])


def test_the_command_writes_a_corpus_for_each_language(
    folder: Path, bert: str, tmp_path: Path
) -> None:
    arguments = (folder / "parallel", tmp_path, "-m", folder / "ruled", "--encoder", bert)
    result = run(*arguments, "--split", "silver")
    assert result.exit_code == 0, result.output
    rows = [line.strip("│ ").split() for line in result.output.splitlines() if "│" in line]
    assert [[cell for cell in row if cell != "│"] for row in rows] == [
        ["de", "2", "2", "3", "2", "1", "0", "0", "0"],
        ["fr", "1", "1", "0", "0", "0", "0", "0", "0"],
    ]
    docs = list(read_docs(tmp_path / "de" / "silver.spacy"))
    assert [iob(doc) for doc in docs] == [["B-PER", "O", "O", "B-LOC", "O"], ["", "O", "", "O"]]
    assert {get_language(doc) for doc in docs} == {"de"}
    run(*arguments, "--langs", "de", "--lost", "drop", "-q")
    assert len(list(read_docs(tmp_path / "de" / "train.spacy"))) == 1
    assert not (tmp_path / "fr" / "train.spacy").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labels", "lemmas"], "--labels"),
        (["--labels", ""], "--labels"),
        (["--labels", "tags"], "token.tag"),
        (["--lost", "keep"], "--lost"),
        (["--split", "../x"], "--split"),
        (["--layer", "5"], "layers"),
        (["--min-confidence", "0.5"], "dlfa calibrate"),
        (["-m", "no such pipeline"], "no such pipeline"),
    ],
)
def test_errors_name_what_is_wrong_and_a_fix(
    options: list[str], words: str, folder: Path, bert: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = run(folder / "parallel", out, "-m", folder / "ruled", "--encoder", bert, *options)
    assert result.exit_code == 1
    assert words in result.output and "Fix:" in result.output
    assert not list(out.rglob("*.spacy"))


def test_a_pipeline_without_an_encoder_needs_links_or_an_encoder(
    folder: Path, tmp_path: Path
) -> None:
    arguments = (folder / "parallel", tmp_path, "-m", folder / "ruled")
    assert run(*arguments, "--limit", "1").exit_code == 0
    (tmp_path / "de-en.tsv").write_text("Rom\tRome\n", encoding="utf-8")
    result = run(tmp_path / "de-en.tsv", *arguments[1:])
    assert result.exit_code == 1 and "--encoder" in result.output and "'Rom'" in result.output


def test_a_pipeline_links_words_with_its_own_encoder(bert: str) -> None:
    nlp = initialized(pipeline(bert, ("tagger",)))
    linker = EncoderLinks(nlp)
    # Two thirds of four layers.
    assert linker.layer == 3
    docs = [Doc(nlp.vocab, words=words) for words in (["Anna", "lives", "in", "Berlin"], [])]
    assert linker(docs, docs) == [[(i, i) for i in range(4)], []]


@pytest.mark.slow
def test_the_bundled_encoder_carries_the_gold_entities_of_the_embedded_corpus() -> None:
    linker = EncoderLinks(open_source(str(ROOT / "assets" / "encoder")))
    english, german = (
        list(read_docs(ROOT / "assets" / "corpus" / name / "test.conllu")) for name in ("en", "de")
    )
    score, tally = SpanF1(), Tally()
    for one, gold, links in zip(english, german, linker(german, english), strict=True):
        made = bare_doc(gold.vocab, gold)
        project(one, made, links, Projection(), tally)
        score.add(*([(e.start, e.end, e.label_) for e in doc.ents] for doc in (gold, made)))
    assert tally.entities == 80 and score.f1 > 0.95
