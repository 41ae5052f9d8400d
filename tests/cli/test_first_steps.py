"""What `dlfa` says to whoever types it first."""

import re

import pytest
import typer
from typer.testing import CliRunner

from dlfa_spacy.about import __version__
from dlfa_spacy.cli import app
from dlfa_spacy.cli.help_text import flowing


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


def test_paragraphs_flow_and_long_examples_go_on_after_a_backslash() -> None:
    words = " ".join(f"--option-{n} value" for n in range(9))
    found = flowing(f"One\nline.\n\n  [cyan]dlfa a\n  --b[/]\n  [cyan]dlfa c {words}[/]\n\nEnd.")
    first, example, last = found.split("\n\n")
    assert (first, last) == ("One line.", "End.")
    plain = re.sub(r"\[/?(?:cyan)?\]", "", example)
    assert plain.replace(" \\\n    ", " ").splitlines() == ["  dlfa a --b", f"  dlfa c {words}"]
    assert all(len(line) <= 76 for line in plain.splitlines())


def test_options_leave_room_for_their_help_and_nothing_is_cut() -> None:
    is_new = tuple(map(int, typer.__version__.split(".")[:2])) >= (0, 29)
    names = [[str(command.name)] for command in app.registered_commands]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        inner = group.typer_instance.registered_commands
        names += [[str(group.name), str(command.name)] for command in inner]
    for name in names:
        lines = said(*name, "--help").splitlines()
        assert not [line for line in lines if "…" in line], name
        (last,) = [line for line in lines if "Show this message" in line]
        # Of 80 characters; older typer has a column for the kinds of values.
        assert last.index("Show this message") <= (52 if is_new else 60), name


@pytest.mark.parametrize("spacy_s", [False, True], ids=["dlfa", "spacy dlfa"])
def test_the_help_of_every_command_is_rendered(spacy_s: bool) -> None:
    from spacy.cli import app as spacy_app

    from dlfa_spacy.cli import spacy_group

    assert spacy_group.app is app
    names = [command.name for command in app.registered_commands]
    assert len(names) > 15
    for name in names:
        arguments = ["dlfa", str(name)] if spacy_s else [str(name)]
        runner = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "80"})
        found = runner.invoke(spacy_app if spacy_s else app, [*arguments, "--help"]).output
        assert f"dlfa {name}" in found
        assert "[cyan]" not in found and "[bold]" not in found and "[/]" not in found
