"""What is run on a GPU is run here on a CPU, at the smallest size: it goes on, and says why."""

import json
from pathlib import Path

import pytest
import typer
from places import ROOT
from typer.testing import CliRunner

from benchmarks.gpu import check, page, rows
from benchmarks.gpu.report import FAILED, OK, SKIPPED, Check, Report
from benchmarks.gpu.suite import CPU_TESTS, TESTS, run_tests

SUITE = """
import pytest

def test_right(): pass

def test_wrong(): assert 1 == 2

@pytest.mark.skipif(True, reason="nothing to test with")
def test_skipped(): pass
"""


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    # Plugins take seconds to load.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    path = tmp_path / "test_some.py"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


def test_each_test_is_a_check_with_its_reason(suite: str, tmp_path: Path) -> None:
    right, wrong, skipped = run_tests(suite, "cpu", 100)
    assert (right.name, right.status, right.why) == ("test_some::test_right", OK, "")
    assert wrong.status == FAILED and "assert 1 == 2" in wrong.why
    assert skipped.status == SKIPPED and "nothing to test with" in skipped.why
    empty = tmp_path / "test_none.py"
    empty.touch()
    (nothing,) = run_tests(str(empty), "cpu", 100)
    assert nothing.status == FAILED and "no tests ran" in nothing.why
    (slow,) = run_tests(suite, "cpu", 0.01)
    assert slow.status == FAILED and "not done" in slow.why


def test_the_tests_that_it_runs_are_there() -> None:
    assert set(CPU_TESTS) < set(TESTS)
    assert all((ROOT / path).is_file() for path in TESTS)


@pytest.mark.slow
def test_it_goes_on_after_a_failure_and_ends_with_1(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first rows have no time to be measured in, and the others none to begin.
    limits = iter((0.1, -1, 100))
    monkeypatch.setattr(check, "_limit", lambda *given: next(limits))
    monkeypatch.setattr(check, "ROWS", ("encoder", "store"))
    app = typer.Typer()
    app.command()(check.main)
    out = tmp_path / "gpu.json"
    command = ["--out", str(out), "--device", "cpu", "--shape", "tiny", "--tests", suite]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1, result.output
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [entry["status"] for entry in found["checks"]] == [
        *(OK, FAILED, FAILED),
        *(OK, FAILED, SKIPPED),
    ]
    assert "not done after 0" in found["checks"][1]["why"]
    assert "not begun" in found["checks"][2]["why"]
    assert found["failed"] == 3 and found["device"] == "cpu" and found["machine"]["packed"]
    assert {"python", "torch", "thinc", "transformers"} <= set(found["versions"])
    assert found["seconds"] >= sum(entry["seconds"] for entry in found["checks"]) > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", check.ROWS)
def test_rows_of_each_kind_are_measured(kind: str, tmp_path: Path) -> None:
    texts = rows.read_texts(rows.CORPUS, rows.LANGUAGES, "sentences", 60)
    folder = rows.make_encoder(tmp_path, (" ".join(text.words) for text in texts), "tiny")
    found = rows.KINDS[kind](rows.Bench(folder, "cpu", texts, 2, 1))
    assert found and len({row["row"] for row in found}) == len(found)
    for row in found:
        assert all(value > 0 for key, value in row.items() if key != "row")
    if kind == "encoder":
        assert max(row["of_the_bare_limit"] for row in found if "bare" in row["row"]) == 1.0


def test_the_page_has_the_rows_and_what_did_not_succeed(tmp_path: Path) -> None:
    report = Report(tmp_path / "gpu.json", "cpu")
    report.machine = {"machine": "a processor"}
    row = {"row": "encoder, bf16", "words_per_second": 1234.5, "of_the_bare_limit": 0.876}
    checks = [Check("a test", OK, 1.0), Check("another", FAILED, 1.0, "out of memory\nat line 1")]
    report.add(checks, [row])
    target = tmp_path / "gpu.md"
    target.write_text(f"# GPU\n{page.MARKER}\nold\n{page.MARKER}\n", encoding="utf-8")
    page.main(report.path, target)
    text = target.read_text(encoding="utf-8")
    assert "| encoder, bf16 | 1,234 | 0.88 |  |" in text and "old" not in text
    assert "a processor; python" in text and "Checks: 1 failed, 1 ok." in text
    assert "- another: failed. out of memory" in text
