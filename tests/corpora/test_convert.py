"""Files and folders to .spacy: places, draws, and never half a file."""

from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from dlfa_spacy.corpora import (
    Part,
    ReadingOptions,
    convert_files,
    detect_format,
    get_language,
    plan,
    read_docs,
    replacing,
    set_language,
    topics_of_jobs,
    write_docs,
)
from dlfa_spacy.corpora.subset import drawn, sample

CONLLU = "1\tJa\t_\tINTJ\t_\t_\t0\t_\t_\t_\n\n"
IOB2 = "Rom\tB-LOC\n\nOslo\tB-LOC\nist\tO\n\nBonn\tB-LOC\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))


def test_a_folder_keeps_its_layout_and_its_languages(tmp_path):
    write(tmp_path / "in/de/test.iob2", IOB2)
    write(tmp_path / "in/zh-hans/dev.conllu", CONLLU)
    write(tmp_path / "in/de/README.md", "not a corpus")
    jobs = plan(tmp_path / "in", tmp_path / "out")
    assert [(job.part, job.output.relative_to(tmp_path).as_posix()) for job in jobs] == [
        (Part("de", "test"), "out/de/test.spacy"),
        (Part("zh-hans", "dev"), "out/zh-hans/dev.spacy"),
    ]
    for job in jobs:
        convert_files(job.inputs, job.output, job.part)
        # DocBin keeps user data, so the language survives.
        assert {doc._.language for doc in load(job.output)} == {job.part.language}


def test_treebanks_of_one_language_are_pooled(tmp_path):
    write(tmp_path / "ud/UD_German-GSD/de_gsd-ud-test.conllu", CONLLU)
    write(tmp_path / "ud/UD_German-HDT/de_hdt-ud-test.conllu", CONLLU)
    (job,) = plan(tmp_path / "ud", tmp_path / "out")
    assert job.part == Part("de", "test") and len(job.inputs) == 2
    assert convert_files(job.inputs, job.output, job.part).n_docs == 2


def test_only_the_languages_and_splits_asked_for_are_planned(tmp_path):
    for name in ("de/test", "de/dev", "fr/test"):
        write(tmp_path / f"in/{name}.iob2", IOB2)
    jobs = plan(tmp_path / "in", tmp_path / "out", languages=["de"], splits=["test"])
    assert [job.part for job in jobs] == [Part("de", "test")]
    with pytest.raises(ValueError, match="languages it and splits any, expected at least one"):
        plan(tmp_path / "in", tmp_path / "out", languages=["it"])


def test_a_file_without_a_language_is_refused_with_the_fix(tmp_path):
    path = write(tmp_path / "My Corpora" / "a.iob2", IOB2)
    with pytest.raises(ValueError, match="cannot tell the language.*--lang"):
        plan(path, tmp_path / "a.spacy")
    assert plan(path, tmp_path / "a.spacy", language="de")[0].part == Part("de", "a")


def test_a_folder_cannot_become_one_file(tmp_path):
    write(tmp_path / "in/de/test.iob2", IOB2)
    with pytest.raises(ValueError, match="found a file name, expected a folder"):
        plan(tmp_path / "in", tmp_path / "out.spacy")


def test_a_malformed_input_leaves_the_old_output_as_it_was(tmp_path):
    output = tmp_path / "out" / "test.spacy"
    convert_files([write(tmp_path / "good.iob2", IOB2)], output, Part("de", "test"))
    before = output.read_bytes()
    bad = write(tmp_path / "bad.iob2", IOB2 + "\nAda\tPERSON\n")
    with pytest.raises(ValueError, match=r"bad\.iob2:8"):
        convert_files([bad], output, Part("de", "test"))
    assert output.read_bytes() == before
    assert [path.name for path in output.parent.iterdir()] == ["test.spacy"]


def test_an_empty_input_writes_nothing(tmp_path):
    empty = write(tmp_path / "empty.conllu", "\n\n")
    with pytest.raises(ValueError, match="found no sentences"):
        convert_files([empty], tmp_path / "out.spacy", Part("de", "test"))
    assert not (tmp_path / "out.spacy").exists()


def test_replacing_removes_its_temporary_file_when_the_body_fails(tmp_path):
    target = write(tmp_path / "a.txt", "old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half", encoding="utf-8")
        raise RuntimeError
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_draw_of_a_limit_is_the_same_every_time_and_keeps_the_order(tmp_path):
    rows = "".join(f"w{i}\tO\n\n" for i in range(50))
    path = write(tmp_path / "a.iob2", rows)

    def drawn(seed: int, limit: int = 10) -> list[str]:
        output = tmp_path / "out.spacy"
        convert_files([path], output, Part("de", "a"), limit=limit, seed=seed)
        return [doc.text for doc in load(output)]

    first = drawn(0)
    assert len(first) == 10 and first == drawn(0) != drawn(1)
    assert first == sorted(first, key=lambda text: int(text[1:]))
    # A learning curve grows by new texts only.
    assert set(drawn(0, 3)) < set(first) < set(drawn(0, 40))


def test_a_limit_beyond_the_end_keeps_everything():
    assert list(sample(range(5), 5, 9, seed=0)) == [0, 1, 2, 3, 4]
    assert list(sample(range(5), 5, 0, seed=0)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("shard_size", [100, 3])
def test_docs_that_are_drawn_from_a_docbin_are_those_of_a_sample(tmp_path, shard_size):
    whole = tmp_path / "whole.spacy"
    nlp = spacy.blank("xx")
    docs = [nlp(f"Ada {number} in Rom") for number in range(10)]
    for number, doc in enumerate(docs):
        doc.ents = [Span(doc, 0, 1, "PER")] if number % 2 else []
        doc.cats = {"even": float(number % 2 == 0)}
        doc.spans["sc"] = [Span(doc, 3, 4, "LOC")]
    write_docs(docs, whole, shard_size=shard_size)
    for kept in (set(), {0}, {2, 3, 9}, drawn(10, 6, seed=1)):
        found = list(read_docs(whole, language="de", only=kept))
        wanted = [
            doc for number, doc in enumerate(read_docs(whole, language="de")) if number in kept
        ]
        assert [doc.to_json() for doc in found] == [doc.to_json() for doc in wanted]
        assert [doc.spans["sc"][0].text for doc in found] == ["Rom"] * len(kept)
        assert {doc._.language for doc in found} <= {"de"}
    assert {doc.text for doc in read_docs(whole, only=drawn(10, 6, seed=1))} == {
        doc.text for doc in sample(docs, 10, 6, seed=1)
    }


def test_entities_and_repairs_are_counted(tmp_path):
    path = write(tmp_path / "a.iob2", "Ada\tI-PER\nin\tO\nRom\tB-LOC\n")
    conversion = convert_files([path], tmp_path / "a.spacy", Part("de", "a"))
    assert conversion.n_entities == {"PER": 1, "LOC": 1}
    assert conversion.notes.counts["repaired_tags"] == 1


def test_labelled_texts_become_categories_with_the_labels_of_all_languages(tmp_path):
    header = "index_id\tcategory\ttext\n"
    write(tmp_path / "in/de/test.tsv", header + "1\tsports\tEin Tor!\n")
    write(tmp_path / "in/fr/test.tsv", header + "1\thealth\tÇa va.\n")
    jobs = plan(tmp_path / "in", tmp_path / "out")
    topics = topics_of_jobs(jobs, ReadingOptions())
    assert topics == ["health", "sports"]
    convert_files(jobs[0].inputs, jobs[0].output, jobs[0].part, topics=topics)
    (doc,) = load(jobs[0].output)
    assert doc.text == "Ein Tor!" and doc.cats == {"health": 0.0, "sports": 1.0}


@pytest.mark.parametrize(
    "text, message",
    [
        ("id\tbody\n1\tx\n", ":1: .*a column named category or label or topic"),
        ("label\ttext\nx\n", ":2: .*2 columns"),
        ("label\ttext\nx\t \n", ":2: .*a text and a label"),
    ],
)
def test_malformed_labelled_texts_are_named_with_their_line(tmp_path, text, message):
    path = write(tmp_path / "de" / "a.tsv", text)
    with pytest.raises(ValueError, match=message):
        list(read_docs(path, options=ReadingOptions(format="tsv")))


@pytest.mark.parametrize(
    "name, text, expected",
    [
        ("a.conllu", "", "conllu"),
        ("a.bio", "", "iob2"),
        ("a.tsv", "de:Bonn\tB-LOC\n", "iob2"),
        ("a.tsv", "label\ttext\n", "tsv"),
        ("test", "# comment\n" + CONLLU, "conllu"),
    ],
)
def test_the_format_is_told_by_suffix_or_content(tmp_path, name, text, expected):
    assert detect_format(write(tmp_path / name, text)) == expected


def test_prose_is_no_format(tmp_path):
    path = write(tmp_path / "a.tsv", "It was the best of times, it was the worst of times.\n")
    with pytest.raises(ValueError, match="cannot tell the format"):
        detect_format(path)


def test_a_damaged_docbin_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "a.spacy"
    path.write_bytes(b"not a docbin")
    with pytest.raises(ValueError, match=r"a\.spacy: found a file that is not a readable DocBin"):
        list(read_docs(path))


def test_options_are_checked_by_name():
    with pytest.raises(ValueError, match='multiword = "fused": expected one of surface'):
        ReadingOptions(multiword="fused")
    with pytest.raises(ValueError, match="max_length: found -1, expected 0"):
        ReadingOptions(max_length=-1)


def test_the_language_survives_another_package_that_registers_the_same_extension(tmp_path):
    old = Doc.remove_extension("language") if Doc.has_extension("language") else None
    try:
        Doc.set_extension("language", getter=lambda doc: "theirs")
        doc = spacy.blank("xx").make_doc("Ja")
        set_language(doc, "de")
        assert get_language(doc) == "de" and doc._.language == "theirs"
        write_docs([doc], tmp_path / "a.spacy")
        assert [get_language(d) for d in load(tmp_path / "a.spacy")] == ["de"]
    finally:
        Doc.remove_extension("language")
        if old is not None:
            Doc.set_extension("language", default=old[0])
