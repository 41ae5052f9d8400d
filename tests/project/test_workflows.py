"""The project's workflows: every command line is understood, nothing is missing."""

import shlex
from typing import Any

import pytest
import typer
import yaml
from places import ROOT

from dlfa_spacy.cli import app
from dlfa_spacy.report.aligned.zero_shot import ZeroShot, make_zero_shot_plan

PROJECT = yaml.safe_load((ROOT / "project.yml").read_text(encoding="utf-8"))
WORKFLOWS = list(PROJECT["workflows"])
DLFA = ["python", "-m", "spacy", "dlfa"]


def filled(value: Any, variables: dict[str, Any]) -> Any:
    """RETURNS: The same with the project's variables in it."""
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    for name, text in variables.items():
        value = value.replace(f"${{vars.{name}}}", str(text))
    return value


def steps(workflow: str) -> list[dict[str, Any]]:
    commands = {command["name"]: command for command in PROJECT["commands"]}
    keys = ("script", "deps", "outputs", "outputs_no_cache")
    return [
        {key: filled(commands[name].get(key, []), PROJECT["vars"]) for key in keys}
        for name in PROJECT["workflows"][workflow]
    ]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_every_command_line_is_understood(workflow: str) -> None:
    group: Any = typer.main.get_command(app)
    understood = []
    for step in steps(workflow):
        for line in step["script"]:
            words = shlex.split(line)
            if words[:4] == DLFA:
                command = group.commands[words[4]]
                understood.append(command.make_context(words[4], words[5:]).info_name)
    assert "report" in understood


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_what_a_step_needs_is_there_or_was_made_before(workflow: str) -> None:
    made: list[str] = []
    for step in steps(workflow):
        for path in step["deps"]:
            # What is downloaded, or a folder of one's own.
            downloaded = path == PROJECT["vars"]["data"]
            assert downloaded or path in made or (ROOT / path).exists(), path
        made += step["outputs"] + step["outputs_no_cache"]


def test_the_plan_of_the_embedded_report_is_one() -> None:
    path = ROOT / "docs" / "results" / "alignment_embedded.cfg"
    plan = make_zero_shot_plan(ZeroShot(path), "before", "after")
    assert plan.tasks == ["pos"] and set(plan.encoders.values()) == {"before", "after"}
