"""What `dlfa` says to whoever types it first."""

import re

from typer.testing import CliRunner

from dlfa_spacy.about import __version__
from dlfa_spacy.cli import app


def said(*arguments: str) -> str:
    found = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "80"}).invoke(app, list(arguments))
    return found.output


def test_the_version() -> None:
    assert said("--version") == f"dlfa_spacy {__version__}\n"


def test_without_arguments_it_says_what_to_do_first_and_that_can_be_typed() -> None:
    first = said().split("Options")[0]
    commands = re.findall(r"^ +dlfa ([a-z-]+) .*$", first, flags=re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert f"dlfa {command}" in said(command, "--help")
