"""CoNLL-U: what is read, what is left out, and what is refused."""

import os
from pathlib import Path

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st

from dlfa_spacy.corpora import ReadingNotes, ReadingOptions, Sentence, read_conllu, read_docs
from dlfa_spacy.corpora.conllu import UPOS


def row(id_, form, upos="_", head="_", misc="_", features="_", relation="_"):
    return "\t".join([str(id_), form, "_", upos, "_", features, str(head), relation, "_", misc])


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


# "Er geht zum Bahnhof": both parts of "zum" hang on the noun, which hangs on the verb.
ZUM = [
    row(1, "Er", "PRON", 2, features="Case=Nom|Number=Sing", relation="nsubj"),
    row(2, "geht", "VERB", 0, relation="root"),
    row("3-4", "zum"),
    row(3, "zu", "ADP", 5, relation="case"),
    row(4, "dem", "DET", 5, features="Definite=Def", relation="det"),
    row(5, "Bahnhof", "NOUN", 2, relation="obl:arg"),
]


def test_trees_and_features_reach_the_doc(tmp_path):
    path = write(tmp_path / "a.conllu", ZUM)
    (doc,) = read_docs(path, language="de")
    assert [(token.head.text, token.dep_) for token in doc] == [
        ("geht", "nsubj"),
        ("geht", "ROOT"),
        ("Bahnhof", "case"),
        ("geht", "obl:arg"),
    ]
    assert [str(token.morph) for token in doc] == ["Case=Nom|Number=Sing", "", "", ""]
    assert all(token.has_morph() for token in doc)
    (doc,) = read_docs(path, options=ReadingOptions(multiword="syntactic"))
    assert [token.head.i for token in doc] == [1, 1, 4, 4, 1]
    assert str(doc[3].morph) == "Definite=Def"


def test_a_word_below_a_part_hangs_on_the_surface_token(tmp_path):
    # "dámelo": the verb governs its clitics, and "ahora" hangs on the verb.
    rows = [
        row("1-3", "dámelo"),
        row(1, "da", "VERB", 0, features="Mood=Imp", relation="root"),
        row(2, "me", "PRON", 1, relation="iobj"),
        row(3, "lo", "PRON", 1, relation="obj"),
        row(4, "ahora", "ADV", 3, relation="advmod"),
    ]
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", rows), language="es")
    assert (sentence.heads, sentence.relations) == ([0, 0], ["ROOT", "advmod"])
    assert sentence.features == ["Mood=Imp", ""]


@pytest.mark.parametrize(
    "heads",
    [(0, 0, 1), (2, 1, 0), (2, 3, 1), (0, 1, "_"), (0, 1, 7), (1, 0, 2)],
    ids=["two roots", "a cycle", "no root", "a gap", "no such word", "its own head"],
)
def test_what_is_no_tree_is_left_out_and_counted(tmp_path, heads):
    rows = [row(i, "w", "X", head, relation="x") for i, head in enumerate(heads, start=1)]
    path = write(tmp_path / "a.conllu", rows, [row(1, "w", "X", 0)], [row(1, "w", "X")])
    notes = ReadingNotes()
    trees = [sentence.heads for sentence in read_conllu(path, notes=notes)]
    assert trees == [None, [0], None]
    assert notes.changes() == {"odd_trees": 1}
    (first, second, third) = read_docs(path)
    assert [doc.has_annotation("DEP") for doc in (first, second, third)] == [False, True, False]


def test_a_tree_whose_head_is_nothing_but_white_space_is_left_out(tmp_path):
    rows = [row(1, "\u200c", "X", 0), row(2, "w", "X", 1)]
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", rows))
    assert (sentence.words, sentence.heads) == (["w"], None)


def test_features_that_are_none_are_left_out_and_counted(tmp_path):
    rows = [row(1, "a", "X", features="Case=Nom"), row(2, "b", "X", features="Case=|x")]
    notes = ReadingNotes()
    (sentence,) = read_conllu(write(tmp_path / "a.conllu", rows), notes=notes)
    assert sentence.features == ["Case=Nom", ""]
    assert notes.changes() == {"odd_features": 1}
    without = write(tmp_path / "b.conllu", [row(1, "a", "X")])
    (doc,) = read_docs(without)
    assert not doc[0].has_morph()


def test_a_sentence_that_is_cut_has_no_tree(tmp_path):
    path = write(tmp_path / "a.conllu", ZUM)
    docs = list(read_docs(path, options=ReadingOptions(max_length=2)))
    assert [len(doc) for doc in docs] == [2, 2]
    assert not any(doc.has_annotation("DEP") for doc in docs)
    assert str(docs[0][0].morph) == "Case=Nom|Number=Sing"


@given(data=st.data())
@settings(deadline=None)
def test_any_tree_with_multiword_tokens_is_a_tree_of_its_surface(tmp_path_factory, data):
    n = data.draw(st.integers(min_value=1, max_value=9))
    # Any order of the words in which each hangs on one before it.
    order = data.draw(st.permutations(range(1, n + 1)))
    heads = {order[0]: 0}
    for place, word in enumerate(order[1:], start=1):
        heads[word] = order[data.draw(st.integers(min_value=0, max_value=place - 1))]
    rows, word = [], 1
    while word <= n:
        last = min(n, word + data.draw(st.integers(min_value=0, max_value=3)))
        if last > word:
            rows.append(row(f"{word}-{last}", "w"))
        rows += [row(i, "w", "X", heads[i]) for i in range(word, last + 1)]
        word = last + 1
    path = write(tmp_path_factory.mktemp("trees") / "a.conllu", rows)
    notes = ReadingNotes()
    (surface,) = read_conllu(path, notes=notes)
    assert notes.counts["odd_trees"] == 0
    assert surface.heads is not None
    (doc,) = read_docs(path)
    assert len(list(doc.sents)) == 1
    (syntactic,) = read_conllu(path, multiword="syntactic")
    assert syntactic.heads == [heads[i] - 1 if heads[i] else i - 1 for i in range(1, n + 1)]


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
