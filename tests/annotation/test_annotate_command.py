"""`dlfa annotate` as a person types it: streams, exit codes, signals, processes of its own."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from annotating import CODE, content, rows, rules, write_jsonl
from killing import start
from typer.testing import CliRunner

from dlfa_spacy.annotation import member
from dlfa_spacy.cli import app


def run(*arguments: object, stdin: bytes | None = None) -> tuple[int, str, str]:
    """RETURNS (Tuple[int, str, str]): Exit code, stdout, stderr."""
    given = ["annotate", *map(str, arguments), "--code", str(CODE)]
    result = CliRunner().invoke(app, given, input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_it_ends_with_0_or_with_1_if_a_text_failed(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada is", "Rome"])
    code, out, _ = run(given, tmp_path / "out", "--model", model)
    assert code == 0 and "2 texts annotated, 3 words; 0 failed." in out
    write_jsonl(given, ["Ada", "FAIL"])
    code, out, _ = run(given, tmp_path / "failed", "--model", model)
    assert code == 1 and "1 failed, see" in out
    # Also when there is nothing left to do.
    assert run(given, tmp_path / "failed", "--model", model, "--quiet")[:2] == (1, "")


def test_an_error_is_one_message(model: str, tmp_path: Path) -> None:
    code, out, error = run(tmp_path / "none", tmp_path / "out", "--model", model)
    assert code == 1 and not out and error.lstrip().startswith("Error: IN = ")
    write_jsonl(tmp_path / "a.jsonl", ["Ada"])
    code, _, error = run(tmp_path / "a.jsonl", tmp_path / "out", "--model", tmp_path / "none")
    assert code == 1 and "found nothing of that name" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "stdin",
    [b"Ada\nin Rome FAIL\nRome\n", b'{"text": "Ada"}\n{"text": "FAIL"}\n{"text": "Rome"}\n'],
)
def test_a_stream_has_the_rows_in_order_and_nothing_else(stdin: bytes, tmp_path: Path) -> None:
    model = rules(tmp_path / "model", "obedient", "talker")
    code, out, error = run("-", "-", "--model", model, "--shard-size", 2, stdin=stdin)
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["id"] for line in lines] == ["stdin:1", "stdin:3"]
    assert [line["entities"][0]["label"] for line in lines] == ["PER", "LOC"]
    (failure,) = [json.loads(line) for line in error.splitlines() if line.startswith("{")]
    assert failure["row"] == 2 and code == 1


def test_stdin_into_a_folder_and_a_file_onto_stdout(model: str, tmp_path: Path) -> None:
    assert run("-", tmp_path / "out", "--model", model, stdin=b"Ada\n\nRome\n")[0] == 0
    assert [row["id"] for row in rows(tmp_path / "out")] == ["stdin:1", "stdin:2", "stdin:3"]
    assert sorted(content(tmp_path / "out")) == [
        "failed.jsonl",
        "manifest.json",
        "rows/part-00000-000000.jsonl",
    ]
    code, _, error = run("-", tmp_path / "out", "--model", model, stdin=b"Ada\n")
    assert code == 1 and "inputs.stdin.rows was 3, is 1" in error
    given = write_jsonl(tmp_path / "a.jsonl", ["Ada", "Rome"])
    code, out, _ = run(given, "-", "--model", model)
    assert code == 0 and [json.loads(line)["id"][-1] for line in out.splitlines()] == ["1", "2"]


def test_an_empty_stdin_gives_no_rows(model: str, tmp_path: Path) -> None:
    code, out, error = run("-", "-", "--model", model, stdin=b"")
    # Older rich ends a progress bar that nobody sees with a line break.
    assert (code, out, error.strip()) == (0, "", "")
    assert run("-", tmp_path / "out", "--model", model, stdin=b"")[0] == 0
    assert rows(tmp_path / "out") == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["-", "--workers", "2"], "OUT = - with 2 processes"),
        (["-", "--format", "parquet"], "OUT = - with format = parquet"),
        (["-", "--ray", "auto"], "OUT = - with --ray auto"),
        (["out", "--gpus", "a"], "--gpus = a: expected the numbers"),
        (["out", "--gpus", "0,1", "--workers", "2"], "expected one of them"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: list[str], message: str) -> None:
    code, _, error = run("-", *arguments, "--model", "none")
    assert code == 1 and message in error and "Fix: " in error


def test_columns_are_named_on_the_command_line(model: str, tmp_path: Path) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", [{"body": "Ada", "url": "u", "title": "t"}])
    options = ["--text-column", "body", "--id-column", "url", "--keep", "title, body", "--tokens"]
    assert run(given, tmp_path / "out", "--model", model, *options)[0] == 0
    (row,) = rows(tmp_path / "out")
    assert (row["id"], row["title"], row["body"], len(row["tokens"])) == ("u", "t", "Ada", 1)


@pytest.mark.slow
def test_processes_that_are_spawned_give_the_same_bytes(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", [f"Ada {n}" for n in range(20)])
    options = ["--model", model, "--shard-size", 4]
    assert run(given, tmp_path / "forked", *options)[0] == 0
    monkeypatch.setattr(member, "_START", "spawn")
    assert run(given, tmp_path / "spawned", *options, "--workers", 2)[0] == 0
    assert content(tmp_path / "forked") == content(tmp_path / "spawned")


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and kills with a signal")
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_it_and_the_same_command_goes_on(
    number: signal.Signals, code: int, model: str, tmp_path: Path
) -> None:
    given = write_jsonl(tmp_path / "a.jsonl", [f"Ada WAIT {n}" for n in range(1000)])
    options = ["--model", model, "--shard-size", "10", "--code", str(CODE)]
    command = ["annotate", str(given), str(tmp_path / "out"), *options]

    def work() -> None:
        ended = app(command, standalone_mode=False)
        sys.stderr.flush()
        # None, had it come to its end.
        os._exit(ended or 0)

    process = start(work, tmp_path / "log")
    while not list(tmp_path.glob("out/state/part*")):
        assert os.waitpid(process, os.WNOHANG)[0] == 0
        time.sleep(0.01)
    # To the whole group, as a terminal does.
    os.killpg(process, number)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == code
    log = (tmp_path / "log").read_text(encoding="utf-8").strip()
    assert log == "Stopped. The same command goes on where it was."
    assert not list(tmp_path.glob("out/rows/.*"))
    assert 0 < len(list(tmp_path.glob("out/state/part*"))) < 100
    assert CliRunner().invoke(app, command).exit_code == 0
    assert len(rows(tmp_path / "out")) == 1000
