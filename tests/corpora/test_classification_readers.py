"""Labeled texts: SIB-200, sentiment, JSONL with one label or several, and the rules for labels."""

import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora import Part, ReadingOptions, convert_files, plan, read_docs, topics_of_jobs
from dlfa_spacy.pairs import REPLACEMENT, SEPARATOR, is_pair

run = CliRunner().invoke


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def jsonl(path: Path, *records: object) -> Path:
    return write(path, "".join(json.dumps(record) + "\n" for record in records))


def load(path: Path) -> list[Doc]:
    return list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))


def convert(folder: Path, *options: str) -> dict[str, list[dict[str, float]]]:
    """RETURNS: "lang/split" -> the cats of its Docs."""
    out = folder.parent / "out"
    result = run(app, ["convert", str(folder), str(out), *options])
    assert result.exit_code == 0, result.output
    return {
        path.relative_to(out).with_suffix("").as_posix(): [doc.cats for doc in load(path)]
        for path in sorted(out.rglob("*.spacy"))
    }


def refused(folder: Path, *options: str) -> str:
    """RETURNS: The error that `dlfa convert` shows, in one line."""
    out = folder.parent / "out"
    result = run(app, ["convert", str(folder), str(out), *options])
    assert result.exit_code == 1 and not out.exists(), result.output
    return " ".join(result.output.split())


def test_sib200_and_sentiment_files_are_read_by_their_headers(tmp_path):
    sib = write(tmp_path / "sib.tsv", "index_id\tcategory\ttext\n7\tsports\t Ein Tor! \n")
    tweets = write(tmp_path / "tweets.tsv", 'label\ttext\nneutral\t"Na ja" 😀\n')
    for path, text, label in ((sib, "Ein Tor!", "sports"), (tweets, '"Na ja" 😀', "neutral")):
        (doc,) = read_docs(path, language="de")
        assert (doc.text, doc.cats, doc._.language) == (text, {label: 1.0}, "de")


def test_a_separator_in_a_single_text_makes_no_pair_of_it(tmp_path):
    path = jsonl(tmp_path / "a.jsonl", {"text": f"a {SEPARATOR} b", "label": "x"})
    conversion = convert_files([path], tmp_path / "a.spacy", Part("en", "a"))
    (doc,) = load(tmp_path / "a.spacy")
    assert not is_pair(doc) and doc.text == f"a {REPLACEMENT} b"
    assert conversion.notes.changes() == {"replaced_separators": 1}


def test_line_breaks_and_white_space_in_jsonl_are_kept(tmp_path):
    text = " a\n\n\tb\u2028c  "
    (doc,) = read_docs(jsonl(tmp_path / "a.jsonl", {"text": text, "label": "x"}))
    assert doc.text == text


# Labels


def test_every_language_has_the_labels_of_the_training_set_in_one_order(tmp_path):
    for name, labels in {"en/train": "bca", "en/test": "a", "de/test": "cb"}.items():
        records = [{"text": "t", "label": label} for label in labels]
        jsonl(tmp_path / f"in/{name}.jsonl", *records)
    found = convert(tmp_path / "in")
    assert set(found) == {"en/train", "en/test", "de/test"}
    assert all(list(cats) == ["a", "b", "c"] for docs in found.values() for cats in docs)
    assert found["de/test"] == [{"a": 0, "b": 0, "c": 1}, {"a": 0, "b": 1, "c": 0}]
    # The same order when one language is converted alone.
    alone = convert(tmp_path / "in", "--langs", "de")
    assert alone["de/test"] == found["de/test"]


def test_a_label_that_the_training_set_has_not_is_an_error_with_its_line(tmp_path):
    jsonl(tmp_path / "in/en/train.jsonl", *({"text": "t", "label": x} for x in "ab"))
    jsonl(tmp_path / "in/de/test.jsonl", *({"text": "t", "label": x} for x in "aB"))
    message = refused(tmp_path / "in")
    assert "de/test.jsonl:2: found 'B', expected one of the labels a, b. Fix:" in message
    assert "de/test.jsonl:2" in refused(tmp_path / "in", "--splits", "test")


def test_given_labels_are_the_ones_in_their_order(tmp_path):
    jsonl(tmp_path / "in/de/test.jsonl", {"text": "t", "label": "b"})
    assert list(convert(tmp_path / "in", "--labels", "c,b,a")["de/test"][0]) == ["c", "b", "a"]
    path = tmp_path / "in/de/test.jsonl"
    with pytest.raises(ValueError, match=":1: found 'b', expected one of the labels x, y"):
        list(read_docs(path, options=ReadingOptions(labels=("x", "y"))))


def test_numbered_classes_get_the_names_given(tmp_path):
    jsonl(tmp_path / "in/de/test.jsonl", *({"text": "t", "label": i} for i in (2, 0)))
    write(tmp_path / "in/fr/test.tsv", "label\ttext\n1\tt\n")
    plain = convert(tmp_path / "in")
    assert [list(cats) for docs in plain.values() for cats in docs] == [["0", "1", "2"]] * 3
    named = convert(tmp_path / "in", "--labels", "negative,neutral,positive")
    assert named["de/test"][0] == {"negative": 0.0, "neutral": 0.0, "positive": 1.0}
    assert named["fr/test"][0] == {"negative": 0.0, "neutral": 1.0, "positive": 0.0}


def test_numbers_are_ordered_by_size():
    from dlfa_spacy.corpora.labels import order_labels

    assert order_labels({"10", "9", "1"}) == ["1", "9", "10"]
    assert order_labels({"10", "9", "b"}) == ["10", "9", "b"]


@pytest.mark.parametrize(
    "labels, message",
    [
        ([0, 3], ":2: found '3', expected one of the labels no, maybe, yes"),
        (["no", 1], ":2: found '1', expected labels that are all names or all numbers"),
        ([True], ":1: found True, expected a label that is a name or a whole number"),
    ],
)
def test_numbers_that_name_no_class_are_errors(tmp_path, labels, message):
    path = jsonl(tmp_path / "a.jsonl", *({"text": "t", "label": label} for label in labels))
    with pytest.raises(ValueError, match=message):
        list(read_docs(path, options=ReadingOptions(labels=("no", "maybe", "yes"))))


def test_a_number_is_no_name_unless_names_are_given(tmp_path):
    jsonl(tmp_path / "in/en/train.jsonl", *({"text": "t", "label": x} for x in ("no", "yes")))
    jsonl(tmp_path / "in/de/test.jsonl", {"text": "t", "label": 1})
    assert "with --labels a,b,c" in refused(tmp_path / "in")


def test_several_labels_can_hold_as_a_list_or_with_values(tmp_path):
    path = jsonl(
        tmp_path / "a.jsonl",
        {"text": "t", "cats": ["a", "c"]},
        {"text": "t", "cats": {"b": 1, "a": False}},
        {"text": "t", "cats": {"b": 0.25}},
        {"text": "t", "cats": []},
    )
    assert [doc.cats for doc in read_docs(path)] == [
        {"a": 1.0, "b": 0.0, "c": 1.0},
        {"a": 0.0, "b": 1.0, "c": 0.0},
        {"a": 0.0, "b": 0.25, "c": 0.0},
        {"a": 0.0, "b": 0.0, "c": 0.0},
    ]


@pytest.mark.parametrize(
    "record, message",
    [
        ({"text": "t", "cats": {"a": 2}}, "found 2, expected 0, 1 or a number between"),
        ({"text": "t", "cats": "a"}, "found 'a', expected labels as a list"),
        ({"text": "t", "cats": [None]}, "found None, expected a label"),
        ({"text": "t", "cats": ["a"], "label": "a"}, "found .*expected one of the keys"),
        ({"body": "t", "label": "a"}, "found 'body, label', expected the keys premise and"),
    ],
)
def test_malformed_records_are_named(tmp_path, record, message):
    path = jsonl(tmp_path / "a.jsonl", {"text": "t", "label": "a"}, record)
    with pytest.raises(ValueError, match=rf"a\.jsonl:2: {message}.*Fix: "):
        list(read_docs(path))


def test_a_limit_draws_from_texts_too_and_the_table_counts_labels(tmp_path):
    records = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(40)]
    jsonl(tmp_path / "in/en/train.jsonl", *records)
    options = ["--limit", "10", "--seed", "3"]
    result = run(app, ["convert", str(tmp_path / "in"), str(tmp_path / "out"), *options])
    assert result.exit_code == 0, result.output
    docs = load(tmp_path / "out/en/train.spacy")
    n_a = sum(doc.cats["a"] == 1.0 for doc in docs)
    row = next(line.split() for line in result.output.splitlines() if "train" in line)
    assert row == ["en", "train", "10", "10", str(n_a), str(10 - n_a)]
    assert [int(doc.text[1:]) for doc in docs] == sorted(int(doc.text[1:]) for doc in docs)


def test_real_topics_and_tweets_convert(data_folder, tmp_path):
    wanted = {"topic": (7, 204, 99, 701), "sentiment": (3, 870, 324, 1839)}
    for task, (n_labels, *sizes) in wanted.items():
        jobs = plan(data_folder / task, tmp_path / task, languages=["en", "de", "hi"])
        labels = topics_of_jobs(jobs, ReadingOptions())
        assert len(labels) == n_labels == len(set(labels))
        for job in jobs:
            result = convert_files(job.inputs, job.output, job.part, topics=labels)
            expected = dict(zip(("test", "dev", "train"), sizes, strict=True))[job.part.split]
            assert result.n_docs == expected and list(result.n_labels) == labels
            assert sum(result.n_labels.values()) == expected
