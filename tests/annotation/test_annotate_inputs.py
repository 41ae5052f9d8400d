"""What each bad input gets: an error before anything is annotated, or a line of failed.jsonl."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from annotating import failures, job, rows, settings, write_jsonl

from dlfa_spacy.annotation.shards import read, scan
from dlfa_spacy.annotation.sources import find_sources

GOOD = {"text": "Ada", "id": "good"}
BAD: dict[str, tuple[Any, str]] = {
    "broken": (b'{"text": "Ada', "bad.jsonl:2: found"),
    "not UTF-8": (b'{"text": "\xff"}', "can't decode byte 0xff"),
    "no object": (b'["Ada"]', "expected a JSON object"),
    "nested": (b"[" * 100_000, "bad.jsonl:2: found"),
    "no text": ({"title": "Ada"}, "text_column = text: found nothing, expected a string"),
    "null": ({"text": None}, "found nothing"),
    "number": ({"text": 3}, "found int, expected a string"),
    "surrogate": (b'{"text": "Ada \\ud800"}', "'\\ud800', at character 4"),
    "too long": ("x" * 1_000_001, "max_length = 1,000,000: found a text of 1,000,001"),
    "10 MB": ("Ada " * 2_500_000, "max_length = 1,000,000: found a text of 10,000,000"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_row_is_a_line_of_failed_jsonl(name: str, model: str, tmp_path: Path) -> None:
    bad, message = BAD[name]
    given = write_jsonl(tmp_path / "bad.jsonl", [GOOD, bad, GOOD])
    done = job(given, tmp_path / "out", model)
    assert (done.annotated, done.failed) == (2, 1)
    (failure,) = failures(tmp_path / "out")
    assert failure["id"] == "bad.jsonl:2" and failure["row"] == 2
    assert message in failure["message"]
    assert [row["id"] for row in rows(tmp_path / "out")] == ["good", "good"]


FINE = {
    "empty": "",
    "white space": " \t\n ",
    "NUL": "Ada\0 in Rome",
    "emoji": "\U0001f600 Ada",
    "line separators": "Ada\u2028in\x85Rome",
}


@pytest.mark.parametrize("name", FINE)
def test_an_unusual_text_is_annotated(name: str, model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", [FINE[name]])
    done = job(given, tmp_path / "out", model, keep=("text",), tokens=True)
    assert (done.annotated, done.failed) == (1, 0)
    line = (tmp_path / "out/rows/part-00000-000000.jsonl").read_text(encoding="utf-8")
    assert line.count("\n") == 1
    assert json.loads(line)["text"] == FINE[name]


def test_a_long_text_is_annotated_if_it_may_be_that_long(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["x " * 600_000 + "Ada", "Ada"])
    job(given, tmp_path / "out", model, max_length=1_500_000)
    first, _ = rows(tmp_path / "out")
    assert first["entities"][0]["start"] == 1_200_000


def test_the_limit_can_be_lower_than_the_pipeline_s(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["1234", "12345"])
    assert job(given, tmp_path / "out", model, max_length=4).failed == 1


def test_an_id_may_stand_there_twice(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", [GOOD, {"text": "Rome", "id": "good"}])
    job(given, tmp_path / "out", model)
    found = rows(tmp_path / "out")
    assert [row["id"] for row in found] == ["good", "good"]
    assert [row["entities"][0]["label"] for row in found] == ["PER", "LOC"]


def test_a_broken_line_is_named_by_its_number_in_the_file(model: str, tmp_path: Path) -> None:
    lines = [b'{"text": "Ada"}', b"", b'{"text": "Rome"}', b"{", b'{"text": "Ada"}']
    given = write_jsonl(tmp_path / "a.jsonl", lines)
    job(given, tmp_path / "out", model, shard_size=2)
    assert [row["id"] for row in rows(tmp_path / "out")] == [f"a.jsonl:{n}" for n in (1, 3, 5)]
    (failure,) = failures(tmp_path / "out")
    assert failure["row"] == 4 and failure["message"].startswith("a.jsonl:4: found '{'")


def test_plain_text_has_a_text_a_line_with_empty_ones(model: str, tmp_path: Path) -> None:
    given = tmp_path / "a.txt"
    given.write_bytes("\ufeffAda\r\n\r\nRome".encode())
    job(given, tmp_path / "out", model, keep=("text",))
    assert [row["text"] for row in rows(tmp_path / "out")] == ["Ada", "", "Rome"]


def test_patterns_are_expanded(model: str, tmp_path: Path) -> None:
    for name in ("in/a.jsonl", "in/sub/b.jsonl", "in/sub/c.txt"):
        write_jsonl(tmp_path / name, ["Ada"])
    job(tmp_path / "in/**/*.jsonl", tmp_path / "out", model)
    assert [row["id"] for row in rows(tmp_path / "out")] == ["a.jsonl:1", "sub/b.jsonl:1"]


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing there": ("none.jsonl", {}, "none.jsonl: found no file"),
    "empty folder": ("empty", {}, "found no file, expected a file, a folder"),
    "another suffix": ("a.csv", {}, "found a file .csv, expected one of .jsonl"),
    "no such text": ("a.jsonl", {"text_column": "txt"}, "--text-column = txt: a.jsonl has no such"),
    "no such id": ("a.jsonl", {"id_column": "key"}, "--id-column = key: a.jsonl has no such"),
    "no such column": ("a.jsonl", {"keep": ("title",)}, "--keep = title: a.jsonl has no such"),
    "no column of text": ("a.txt", {"id_column": "id"}, "--id-column = id: a.txt has no such"),
    "cut off": ("cut.parquet", {}, "cut.parquet: found a file that cannot be read"),
    "no Parquet": ("no.parquet", {}, "no.parquet: found a file that cannot be read"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_input_is_refused_and_leaves_nothing(name: str, model: str, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    write_jsonl(tmp_path / "a.jsonl", [GOOD])
    for other in ("a.csv", "a.txt", "no.parquet"):
        (tmp_path / other).write_text("Ada\n")
    (tmp_path / "empty").mkdir()
    parquet.write_table(pa.table({"text": ["Ada"] * 99}), tmp_path / "cut.parquet")
    os.truncate(tmp_path / "cut.parquet", 100)
    given, values, message = REFUSED[name]
    with pytest.raises(ValueError, match="Fix: ") as error:
        job(tmp_path / given, tmp_path / "out", model, **values)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_file_that_may_not_be_read_is_an_error(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", [GOOD])
    given.chmod(0)
    with pytest.raises(PermissionError, match="a.jsonl"):
        job(given, tmp_path / "out", model)
    assert not (tmp_path / "out").exists()


def test_a_file_that_became_shorter_is_an_error_and_no_shorter_result(
    model: str, tmp_path: Path
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada"] * 9)
    source = find_sources(str(given))[1][0]
    shards = scan(0, source, settings(model, shard_size=5))[1]
    os.truncate(given, given.stat().st_size - 5)
    assert len(list(read(shards[0], settings(model)))) == 5
    with pytest.raises(ValueError, match="found another file than when it was cut"):
        list(read(shards[1], settings(model)))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"format": "csv"}, 'format = "csv": expected one of jsonl, parquet'),
        ({"keep": ("entities",)}, "keep = entities: expected a column whose name"),
        ({"shard_size": 0}, "shard_size = 0: expected 1 or more"),
        ({"retries": -1}, "retries = -1: expected 0 or more"),
    ],
)
def test_a_wrong_setting_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="Fix: ") as error:
        settings("model", **values)
    assert message in str(error.value)
