"""Parquet in and out, and what is said without it."""

import datetime
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from annotating import content, failures, job, rows, rules, write_jsonl

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

DAY = datetime.date(2020, 2, 29)


def write(path: Path, n: int = 25, **options: Any) -> Path:
    columns = {
        "key": [1000 + number for number in range(n)],
        "body": [f"{'x ' * (number % 5)}Ada {number}" for number in range(n)],
        "day": [DAY] * n,
        "bytes": [b"\xff"] * n,
        "unread": [0.5] * n,
    }
    parquet.write_table(pa.table(columns), path, **options)
    return path


def result(out: Path) -> Any:
    return parquet.read_table(out / "rows")


COLUMNS = {"text_column": "body", "id_column": "key", "keep": ("day", "bytes")}


def test_parquet_becomes_parquet_with_the_types_of_the_input(model: str, tmp_path: Path) -> None:
    given = write(tmp_path / "a.parquet", row_group_size=7)
    job(given, tmp_path / "out", model, 2, shard_size=3, format="parquet", **COLUMNS)
    table = result(tmp_path / "out")
    assert table["id"].to_pylist() == [str(1000 + number) for number in range(25)]
    assert table["day"].type == pa.date32() and set(table["day"].to_pylist()) == {DAY}
    assert table["bytes"].to_pylist() == [b"\xff"] * 25
    starts = [entities[0]["start"] for entities in table["entities"].to_pylist()]
    assert starts == [2 * (number % 5) for number in range(25)]
    # Groups of 7, 7, 7 and 4 rows, in shards of 3.
    assert len(list((tmp_path / "out/rows").iterdir())) == 3 * 3 + 2


def test_parquet_becomes_jsonl_and_jsonl_parquet(tmp_path: Path) -> None:
    model = rules(tmp_path / "model", "judge")
    given = write(tmp_path / "a.parquet", 2)
    job(given, tmp_path / "jsonl", model, **COLUMNS)
    first = rows(tmp_path / "jsonl")[0]
    assert (first["id"], first["day"], first["bytes"]) == (1000, "2020-02-29", "/w==")
    lines = [{"text": "Ada is in Rome", "n": [1], "s": "x"}, {"text": "", "s": "\ud800"}]
    given = write_jsonl(tmp_path / "b.jsonl", lines)
    options = {"format": "parquet", "tokens": True, "keep": ("n", "s")}
    job(given, tmp_path / "parquet", model, **options)
    one, two = result(tmp_path / "parquet").to_pylist()
    assert one["tokens"][3] == {"start": 10, "end": 14, "lemma": "rome"}
    assert dict(one["cats"]) == {"long": 1.0}
    assert dict(one["spans"]) == {"first": [{"start": 0, "end": 3, "label": ""}]}
    assert (one["language"], one["n"], one["s"]) == ("en", "[1]", "x")
    assert (two["language"], two["n"], two["s"], two["tokens"]) == (None, None, "?", [])


def test_a_bad_row_of_parquet_is_a_line_of_failed_jsonl(model: str, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["Ada", None, "FAIL"]}), tmp_path / "a.parquet")
    done = job(tmp_path / "a.parquet", tmp_path / "out", model, format="parquet")
    assert (done.annotated, done.failed) == (1, 2)
    assert [failure["id"] for failure in failures(tmp_path / "out")] == [
        "a.parquet:2",
        "a.parquet:3",
    ]


def test_a_shard_without_a_row_has_the_columns_of_all(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["FAIL", "Ada"])
    job(given, tmp_path / "out", model, format="parquet", shard_size=1)
    assert result(tmp_path / "out")["id"].to_pylist() == ["a.jsonl:2"]


def test_any_number_of_processes_gives_the_same_parquet(model: str, tmp_path: Path) -> None:
    given = write(tmp_path / "a.parquet", 100)
    for workers in (1, 2):
        options = {"format": "parquet", "shard_size": 9, **COLUMNS}
        job(given, tmp_path / str(workers), model, workers, **options)
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_a_column_that_is_not_there_is_refused(model: str, tmp_path: Path) -> None:
    given = write(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="--text-column = text: a.parquet has no such column"):
        job(given, tmp_path / "out", model)


@pytest.mark.parametrize("which", ["in", "out"])
def test_without_pyarrow_the_error_says_what_to_install(
    which: str, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (
        write(tmp_path / "a.parquet") if which == "in" else write_jsonl(tmp_path / "a.jsonl", [""])
    )
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    format = "jsonl" if which == "in" else "parquet"
    with pytest.raises(ImportError, match=r'pip install "dlfa_spacy\[parquet\]"'):
        job(given, tmp_path / "out", model, format=format)
    assert not (tmp_path / "out").exists()


def test_importing_it_does_not_import_pyarrow() -> None:
    # pandas, which a library that is imported may import, would.
    code = "import sys; sys.modules['pandas'] = None; import dlfa_spacy.annotation.job; "
    code += "sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
