"""`dlfa serve` as a person types it."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import spacy
from annotating import CODE, rules
from killing import start
from typer.testing import CliRunner

from dlfa_spacy.cli import app

# Says that it has begun, and waits until it may go on.
PATIENT = """
import time
from pathlib import Path
from spacy.language import Language

@Language.component("patient")
def patient(doc):
    folder = Path(__file__).parent
    (folder / "began").touch()
    while not (folder / "goes_on").exists():
        time.sleep(0.005)
    return doc
"""


def run(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["serve", *map(str, arguments)])
    return found.exit_code, found.stdout, found.stderr


def wait_for(found: Callable[[], Any]) -> Any:
    until = time.monotonic() + 60
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return value


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and stops with a signal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_answered_before_it_stops(number: int, tmp_path: Path) -> None:
    code, log = tmp_path / "patient.py", tmp_path / "log"
    code.write_text(PATIENT, encoding="utf-8")
    spacy.util.import_file("python_code", code)
    nlp = spacy.blank("xx")
    nlp.add_pipe("patient")
    nlp.to_disk(tmp_path / "model")

    def work() -> None:
        arguments = ["serve", str(tmp_path / "model"), "--port", "0", "--code", str(code)]
        app(arguments, standalone_mode=False)

    process = start(work, log)
    address = wait_for(
        lambda: re.search(r"http://127\.0\.0\.1:\d+", log.exists() and log.read_text() or "")
    )[0]
    answers: list[requests.Response] = []

    def ask() -> None:
        answers.append(requests.post(f"{address}/api/text", json={"text": "secret"}, timeout=60))

    client = threading.Thread(target=ask)
    client.start()
    wait_for((tmp_path / "began").exists)
    os.kill(process, number)
    (tmp_path / "goes_on").touch()
    client.join()
    _, status = os.waitpid(process, 0)
    assert answers[0].status_code == 200 and len(answers[0].json()["tokens"]) == 1
    # The one ends it as it ends any program; the other is how it is meant to end.
    assert status == (signal.SIGTERM if number == signal.SIGTERM else 0), log.read_text()
    assert "secret" not in log.read_text() and "Error" not in log.read_text()


def test_errors_are_one_message(tmp_path: Path) -> None:
    code, _, error = run(tmp_path / "none")
    assert code == 1 and "found nothing of that name" in error
    model = rules(tmp_path / "model")
    code, _, error = run(model, "--code", CODE, "--host", "192.0.2.1")
    assert code == 1 and "Error: --host 192.0.2.1 --port 8080: found an address" in error


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, error = run()
    assert code == 1 and 'Fix: pip install "dlfa_spacy[serve]"' in error
