"""Docstrings of commands as help that fits a terminal of 80 columns, with examples that paste."""

import inspect
import re
import textwrap

import typer

_CODE = re.compile(r"\[cyan\](.*?)\[/\]", re.DOTALL)
# Of an example, beside its indentation and the frame of a terminal.
_WIDTH = 70


def add_help(group: typer.Typer) -> None:
    """Give the commands of a group their docstrings as help."""
    for command in group.registered_commands:
        command.help = flowing(inspect.getdoc(command.callback) or "")
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            add_help(inner.typer_instance)


def flowing(text: str) -> str:
    """
    text (str): Paragraphs; examples are paragraphs of their own, indented, each command in cyan.
    RETURNS (str): Paragraphs as lines, which a terminal breaks where it ends, and examples that go
        on over several lines with a backslash.
    """
    return "\n\n".join(map(_flow, text.split("\n\n")))


def _flow(paragraph: str) -> str:
    if paragraph.startswith(" ") and not _CODE.sub("", paragraph).strip():
        return "\n".join(map(_example, _CODE.findall(paragraph)))
    return " ".join(paragraph.split())


def _example(command: str) -> str:
    words = " ".join(command.split())
    lines = textwrap.wrap(words, _WIDTH, break_long_words=False, break_on_hyphens=False)
    ends = [" \\"] * (len(lines) - 1) + [""]
    return "\n".join(
        f"{'    ' if i else '  '}[cyan]{line}[/]{end}"
        for i, (line, end) in enumerate(zip(lines, ends, strict=True))
    )
