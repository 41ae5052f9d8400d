"""`make test-matrix`: what is not here is skipped and said, what was known stays."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scripts import test_matrix as script

HERE = "{}.{}".format(*sys.version_info)
ROW = dict.fromkeys(("python", "libraries", "tests", *script.COUNTS, *script.SHOWN, "note"), "")


@pytest.mark.parametrize(
    "line, expected",
    [
        ("49 passed, 195 deselected in 21.97s", {"passed": "49", "failed": "0", "skipped": "0"}),
        (
            "2 failed, 60 passed, 5 skipped, 3 errors in 46.62s",
            {"passed": "60", "failed": "5", "skipped": "5"},
        ),
    ],
)
def test_the_last_line_is_counted(line: str, expected: dict[str, str]) -> None:
    assert script.count(f"FAILED test - assert 7 failed\n{line}\n") == expected


def test_a_python_is_found_by_its_version() -> None:
    assert script.find_python(HERE) == sys.executable
    assert script.find_python("3.99") is None


def test_a_run_replaces_its_own_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tested(python: str, version: str, kind: str, *_: object) -> script.Row:
        failed = "2" if kind == "newest" else "0"
        return {**ROW, "python": version, "libraries": kind, "passed": "9", "failed": failed}

    monkeypatch.setattr(script, "tested", tested)
    monkeypatch.setattr(script, "find_python", lambda version: version if version < "3.2" else None)
    app = script.typer.Typer()
    app.command()(script.main)
    results, page = tmp_path / "versions.csv", tmp_path / "page.md"
    page.write_text(f"{script.MARKER}\n{script.MARKER}\n")

    def run(pythons: str, libraries: str) -> tuple[int, str]:
        options = ["--results", str(results), "--page", str(page)]
        done = CliRunner().invoke(app, ["--pythons", pythons, "--libraries", libraries, *options])
        return done.exit_code, done.stdout

    code, said = run("3.12,3.99", "oldest")
    assert code == 0
    assert "3.99 oldest: skipped, there is no python3.99 here" in said
    code, said = run("3.10", "pinned,newest")
    assert code == 1
    assert "3.10 pinned: skipped, the pinned releases need Python 3.11" in said
    assert run("3.12", "middle")[0] == 2
    rows = [line for line in page.read_text().splitlines() if line.startswith("| 3.")]
    assert [row.split(" | ")[:2] for row in rows] == [["| 3.10", "newest"], ["| 3.12", "oldest"]]
    assert "9 passed, 2 failed" in rows[0]
