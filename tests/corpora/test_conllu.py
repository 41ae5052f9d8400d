"""CoNLL-U: what is read, what is left out, and what is refused."""

import os
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfa_spacy.corpora import ReadingNotes, Sentence, read_conllu, read_docs
from dlfa_spacy.corpora.conllu import UPOS


def row(id_, form, upos="_", head="_", misc="_"):
    return "\t".join([str(id_), form, "_", upos, "_", "_", str(head), "_", "_", misc])


def write(path: Path, *sentences: list) -> Path:
    path.write_text("\n\n".join("\n".join(s) for s in sentences) + "\n\n", encoding="utf-8")
    return path


ZUM_BAHNHOF = [
    "# text = Zum Bahnhof.",
    "# topic = travel",
    row("1-2", "Zum"),
    row(1, "Zu", "ADP", 3),
    row(2, "dem", "DET", 3),
    row(3, "Bahnhof", "NOUN", 0, "SpaceAfter=No"),
    row(4, ".", "PUNCT", 3),
]


def test_surface_reading_keeps_the_text_and_the_multiword_token(tmp_path):
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", ZUM_BAHNHOF), language="de")
    assert sentence.words == ["Zum", "Bahnhof", "."]
    assert sentence.upos == ["ADP", "NOUN", "PUNCT"]
    assert sentence.text == "Zum Bahnhof."
    assert sentence.topic == "travel"


def test_syntactic_reading_splits_it_with_a_space_between_the_parts(tmp_path):
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", ZUM_BAHNHOF), multiword="syntactic")
    assert sentence.words == ["Zu", "dem", "Bahnhof", "."]
    assert sentence.upos == ["ADP", "DET", "NOUN", "PUNCT"]
    assert sentence.text == "Zu dem Bahnhof."


def test_the_last_part_takes_over_the_missing_space_of_the_multiword_token(tmp_path):
    rows = [
        row("1-2", "dámelo", misc="SpaceAfter=No"),
        row(1, "da", "VERB", 0),
        row(2, "melo", "PRON", 1),
        row(3, "!", "PUNCT", 1),
    ]
    path = write(tmp_path / "a.conllu", rows)
    assert [s.text for s in read_conllu(path)] == ["dámelo!"]
    assert [s.text for s in read_conllu(path, multiword="syntactic")] == ["da melo!"]


@pytest.mark.parametrize(
    "language, parts, expected",
    [
        # l'amico: the noun is nearer to the root than its article.
        ("it", [("DET", 2), ("NOUN", 3)], "NOUN"),
        # dámelo: the verb governs its clitic.
        ("es", [("VERB", 3), ("PRON", 1)], "VERB"),
        # du: both parts hang on the noun; French ranks ADP before DET.
        ("fr", [("ADP", 3), ("DET", 3)], "ADP"),
        # Without a tree the ranking decides.
        ("xx", [("DET", "_"), ("NOUN", "_")], "NOUN"),
    ],
)
def test_the_highest_part_gives_a_surface_token_its_tag(tmp_path, language, parts, expected):
    rows = [row("1-2", "fused")]
    rows += [row(i, f"part{i}", upos, head) for i, (upos, head) in enumerate(parts, start=1)]
    rows += [row(3, "went", "VERB", 0 if parts[0][1] != "_" else "_")]
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", rows), language=language)
    assert sentence.upos == [expected, "VERB"]


def test_a_cycle_of_heads_does_not_hang(tmp_path):
    rows = [row("1-2", "xy"), row(1, "x", "NOUN", 2), row(2, "y", "VERB", 1)]
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", rows))
    assert sentence.upos == ["VERB"]


def test_empty_nodes_and_withheld_sentences_are_left_out_and_counted(tmp_path):
    path = write(
        tmp_path / "a.conllu",
        [row(1, "Ja", "INTJ"), row("1.1", "gone", "VERB"), row(2, "!", "PUNCT")],
        [row(1, "_", "NOUN"), row(2, "_", "VERB"), row(3, ".", "PUNCT")],
        [row(1, "_", "NOUN")],
        [row(1, "a", "X"), row(2, "_", "SYM"), row(3, "b", "X")],
    )
    notes = ReadingNotes()
    words = [s.words for s in read_conllu(path, notes=notes)]
    assert words == [["Ja", "!"], ["a", "_", "b"]]
    assert notes.counts["empty_nodes"] == 1
    assert notes.counts["withheld_sentences"] == 2
    assert notes.counts["sentences"] == 2


def test_spaces_inside_tokens_are_glued_and_zwnj_removed_as_in_xtreme(tmp_path):
    path = write(tmp_path / "a.conllu", [row(1, "200 000", "NUM"), row(2, "می\u200cرود", "VERB")])
    notes = ReadingNotes()
    (sentence,) = read_conllu(path, notes=notes)
    assert sentence.words == ["200000", "میرود"]
    assert notes.counts["glued_tokens"] == notes.counts["zwnj_tokens"] == 1
    (kept,) = read_conllu(path, remove_zwnj=False)
    assert "\u200c" in kept.words[1]


def test_entities_come_from_misc_and_a_sentence_without_any_counts_as_outside(tmp_path):
    path = write(
        tmp_path / "a.conllu",
        [
            row(1, "Ada", "PROPN", misc="Entity=B-PER"),
            row(2, "Lovelace", "PROPN", misc="Entity=I-PER|SpaceAfter=No"),
            row(3, ".", "PUNCT"),
        ],
        [row(1, "Ja", "INTJ")],
    )
    docs = list(read_docs(path, language="en"))
    assert [(e.text, e.label_) for e in docs[0].ents] == [("Ada Lovelace", "PER")]
    assert docs[1].has_annotation("ENT_IOB") and not docs[1].ents


def test_a_surface_token_is_in_the_entity_of_any_of_its_parts(tmp_path):
    rows = [
        row("1-2", "ao"),
        row(1, "a", "ADP"),
        row(2, "o", "DET", misc="Entity=B-LOC"),
        row(3, "Rio", "PROPN", misc="Entity=I-LOC"),
    ]
    path = write(tmp_path / "a.conllu", rows)
    (surface,) = read_conllu(path)
    assert surface.iob == ["B-LOC", "I-LOC"]
    (syntactic,) = read_conllu(path, multiword="syntactic")
    assert syntactic.iob == ["O", "B-LOC", "I-LOC"]


def test_an_entity_on_the_multiword_row_reaches_all_its_parts(tmp_path):
    rows = [
        row("1-2", "Vámonos", misc="Entity=B-ORG"),
        row(1, "Vamos", "VERB"),
        row(2, "nos", "PRON"),
    ]
    path = write(tmp_path / "a.conllu", rows)
    assert [s.iob for s in read_conllu(path, multiword="syntactic")] == [["B-ORG", "I-ORG"]]


def test_corefud_brackets_are_no_entities(tmp_path):
    path = write(tmp_path / "a.conllu", [row(1, "Ada", "PROPN", misc="Entity=(e1-person-1-)")])
    (doc,) = read_docs(path)
    assert not doc.has_annotation("ENT_IOB")
    assert doc[0].pos_ == doc[0].tag_ == "PROPN"


def test_topics_become_categories_with_zeros_for_the_others(tmp_path):
    path = write(
        tmp_path / "a.conllu",
        ["# topic = sports", row(1, "Tor", "INTJ")],
        ["# topic = health", row(1, "Au", "INTJ")],
    )
    cats = [doc.cats for doc in read_docs(path)]
    assert cats == [{"health": 0.0, "sports": 1.0}, {"health": 1.0, "sports": 0.0}]


@pytest.mark.parametrize(
    "lines, line, found, expected",
    [
        (["1\tonly\tthree"], 1, "three", "10 columns"),
        ([row(1, "a", "NOUN"), row(3, "b", "NOUN")], 2, "'3'", "the ID 2"),
        ([row("x", "a")], 1, "'x'", "an ID such as"),
        ([row(1, "a", "NN")], 1, "'NN'", "one of ADJ"),
        ([row("2-1", "ab"), row(1, "a"), row(2, "b")], 1, "'2-1'", "multiword range"),
        ([row("1-3", "abc"), row(1, "a"), row(2, "b")], 3, "2 words", "the words up to 3"),
        ([row("1-2", "ab"), row(1, "a"), row("2-3", "bc")], 3, "'2-3'", "overlaps no other"),
        ([row(1, "")], 1, "''", "a form"),
        (
            [row(1, "a", misc="Entity=B-X"), row(2, "b", misc="Entity=(e1)")],
            2,
            "Entity=(e1)",
            "Entity=B-TYPE",
        ),
    ],
)
def test_malformed_lines_are_named_with_file_line_value_and_what_was_expected(
    tmp_path, lines, line, found, expected
):
    path = write(tmp_path / "bad.conllu", lines)
    with pytest.raises(ValueError) as error:
        list(read_conllu(path))
    message = str(error.value)
    assert message.startswith(f"{path}:{line}: ")
    assert found in message and expected in message


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path):
    path = tmp_path / "bad.conllu"
    path.write_bytes((row(1, "ok") + "\n\n").encode() + "1\tgr\xfcn\t".encode("latin-1"))
    with pytest.raises(ValueError, match=r"bad\.conllu:3: found b'\\xfcn\\t', expected UTF-8"):
        list(read_conllu(path))


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_bytes(b"\xef\xbb\xbf" + (row(1, "Ja", "INTJ") + "\r\n\r\n").encode())
    assert [s.words for s in read_conllu(path)] == [["Ja"]]


def test_an_unknown_multiword_style_is_refused(tmp_path):
    path = write(tmp_path / "a.conllu", [row(1, "a")])
    with pytest.raises(ValueError, match='multiword = "both": expected one of surface'):
        list(read_conllu(path, multiword="both"))


forms = st.text(st.characters(categories=["L", "N", "P", "S", "M"]), min_size=1, max_size=6).filter(
    lambda form: form != "_" and form.split() == [form]
)
tags = st.sampled_from(sorted(UPOS))
entities = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"])
words = st.tuples(forms, tags, st.booleans(), entities)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(words, min_size=1, max_size=6), min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory, sentences):
    path = tmp_path_factory.mktemp("conllu") / "a.conllu"
    blocks = []
    for sentence in sentences:
        blocks.append(
            [
                row(i, form, tag, 0, f"Entity={ent}" + ("" if space else "|SpaceAfter=No"))
                for i, (form, tag, space, ent) in enumerate(sentence, start=1)
            ]
        )
    read = list(read_conllu(write(path, *blocks)))
    assert [s.words for s in read] == [[w[0] for w in s] for s in sentences]
    assert [s.upos for s in read] == [[w[1] for w in s] for s in sentences]
    for expected, sentence in zip(sentences, read, strict=True):
        assert sentence.spaces == [w[2] for w in expected[:-1]] + [False]
        previous = "O"
        assert sentence.iob is not None
        for got, (_, _, _, tag) in zip(sentence.iob, expected, strict=True):
            stray = tag == "I-PER" and previous[2:] != "PER"
            assert got == ("B-PER" if stray else tag)
            previous = got
    vocab = spacy.blank("xx").vocab
    for sentence, doc in zip(read, read_docs(path, vocab=vocab), strict=True):
        assert doc.text == sentence.text
        assert [token.text for token in doc] == sentence.words


def test_real_treebanks_are_read_whole():
    data = os.environ.get("DLFA_DATA")
    if not data:
        pytest.skip("DLFA_DATA is not set: no real treebanks to read")
    for language, n_sentences in (("de", 977), ("fr", 416), ("he", 491), ("fa", 600)):
        path = Path(data) / "pos" / language / "test.conllu"
        read: list[Sentence] = list(read_conllu(path, language=language))
        assert len(read) == n_sentences
        assert all(tag for s in read for tag in s.upos or [])
