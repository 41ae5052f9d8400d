"""Token-per-line files: repair, prefixes, spaces, and what is refused."""

import pytest

from dlfa_spacy.corpora import ReadingNotes, Sentence, read_iob2, split_long
from dlfa_spacy.corpora.iob import repair


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_tokens_tags_and_sentence_borders_are_read(tmp_path):
    path = write(tmp_path / "a.iob2", "Ada\tB-PER\nschläft\tO\n\n\nRom\tB-LOC\n")
    read = list(read_iob2(path, language="de"))
    assert [(s.words, s.iob, s.text) for s in read] == [
        (["Ada", "schläft"], ["B-PER", "O"], "Ada schläft"),
        (["Rom"], ["B-LOC"], "Rom"),
    ]


@pytest.mark.parametrize(
    "tags, expected, n_changed",
    [
        (["I-PER", "I-PER"], ["B-PER", "I-PER"], 1),
        (["O", "I-PER", "I-LOC"], ["O", "B-PER", "B-LOC"], 2),
        (["B-PER", "I-LOC"], ["B-PER", "B-LOC"], 1),
        (["B-PER", "B-PER", "I-PER"], ["B-PER", "B-PER", "I-PER"], 0),
    ],
)
def test_iob1_and_stray_inside_tags_are_repaired_and_counted(tags, expected, n_changed):
    assert repair(tags) == (expected, n_changed)


def test_a_repaired_file_scores_as_seqeval_scores_the_original():
    seqeval = pytest.importorskip("seqeval.metrics")
    gold = [["I-PER", "I-PER", "O", "I-LOC", "I-PER"], ["O", "I-ORG"]]
    predicted = [["B-PER", "I-PER", "O", "B-LOC", "B-PER"], ["O", "B-ORG"]]
    assert seqeval.f1_score(gold, predicted) == 1.0
    assert [repair(tags)[0] for tags in gold] == predicted


def test_the_language_prefix_of_panx_is_cut_at_the_first_colon(tmp_path):
    path = write(tmp_path / "test", "de:Uhr\tO\nde:12:30\tO\nde::\tO\n\nde:Bonn\tB-LOC\n")
    notes = ReadingNotes()
    read = list(read_iob2(path, language="de", notes=notes))
    assert [s.words for s in read] == [["Uhr", "12:30", ":"], ["Bonn"]]
    assert notes.counts["prefixed_tokens"] == 4


def test_a_colon_in_ordinary_text_is_no_prefix(tmp_path):
    path = write(tmp_path / "a.iob2", "http://x\tO\nde:Bonn\tO\n")
    assert [s.words for s in read_iob2(path)] == [["http://x", "de:Bonn"]]


@pytest.mark.parametrize(
    "language, spaces, expected",
    [
        ("de", "auto", "前 鎮 G U N San Pedro 在"),
        ("zh", "auto", "前鎮GUN San Pedro在"),
        ("zh-hans", "auto", "前鎮GUN San Pedro在"),
        ("zh", "always", "前 鎮 G U N San Pedro 在"),
        ("de", "none", "前鎮GUN San Pedro在"),
    ],
)
def test_languages_without_spaces_get_text_that_looks_real(tmp_path, language, spaces, expected):
    tokens = ["前", "鎮", "G", "U", "N", "San", "Pedro", "在"]
    path = write(tmp_path / "a.iob2", "".join(f"{t}\tO\n" for t in tokens))
    (sentence,) = read_iob2(path, language=language, spaces=spaces)
    assert sentence.text == expected


def test_conll2003_and_universal_ner_columns_are_understood(tmp_path):
    conll = write(tmp_path / "a", "-DOCSTART- -X- -X- O\n\nAda NNP B-NP B-PER\nsat VBD B-VP O\n")
    assert [(s.words, s.iob) for s in read_iob2(conll)] == [(["Ada", "sat"], ["B-PER", "O"])]
    uner = write(tmp_path / "b", "# sent_id = 1\n1\tAda\tB-PER\t-\t-\n2\tsat\tO\t-\t-\n")
    assert [(s.words, s.iob) for s in read_iob2(uner)] == [(["Ada", "sat"], ["B-PER", "O"])]


def test_a_hash_token_is_no_comment(tmp_path):
    path = write(tmp_path / "a.iob2", "#\tO\n1\tO\n")
    assert [s.words for s in read_iob2(path)] == [["#", "1"]]


def test_white_space_in_tokens_is_glued_and_empty_tokens_are_counted(tmp_path):
    path = write(tmp_path / "a.iob2", "58\u00a024\tB-ORG\n\u00a0\tI-ORG\n")
    notes = ReadingNotes()
    assert [s.words for s in read_iob2(path, notes=notes)] == [["5824"]]
    assert notes.counts["glued_tokens"] == notes.counts["emptied_tokens"] == 1


@pytest.mark.parametrize("line", ["Ada\tS-PER", "Ada\tPER", "Ada", "Ada\t"])
def test_other_tag_schemes_are_refused_with_file_and_line(tmp_path, line):
    path = write(tmp_path / "bad.iob2", f"ok\tO\n{line}\n")
    with pytest.raises(ValueError) as error:
        list(read_iob2(path))
    assert str(error.value).startswith(f"{path}:2: found {line!r}, expected a token and an IOB tag")


def test_long_sentences_are_cut_without_losing_tokens_or_cutting_entities():
    iob = ["O", "B-PER", "I-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC", "I-LOC", "O"]
    words = [f"w{i}" for i in range(len(iob))]
    notes = ReadingNotes()
    sentence = Sentence(words, [True] * 9 + [False], iob=iob)
    pieces = list(split_long(sentence, 3, notes))
    assert [w for piece in pieces for w in piece.words] == words
    assert [t for piece in pieces for t in piece.iob or []] == iob
    assert not any((piece.iob or ["O"])[0].startswith("I-") for piece in pieces)
    assert all(not piece.spaces[-1] for piece in pieces)
    assert [len(piece.words) for piece in pieces] == [1, 3, 1, 4, 1]
    assert notes.counts["long_sentences"] == 1
