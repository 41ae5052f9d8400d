"""Docstrings of commands as help that fits a terminal of 80 columns, with examples that paste."""

import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import typer
from typer.models import OptionInfo

# Options with a --no- have a column more than the others.
SWITCHES = "Options that can be switched off"
NUMBER = "N"
_CODE = re.compile(r"\[cyan\](.*?)\[/\]", re.DOTALL)
# Of an example, beside its indentation and the frame of a terminal.
_WIDTH = 70


def add_help(group: typer.Typer) -> None:
    """Give the commands of a group their docstrings as help, and its options room for theirs."""
    for command in group.registered_commands:
        command.help = flowing(inspect.getdoc(command.callback) or "")
        if command.callback is not None:
            _make_room(command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            add_help(inner.typer_instance)


def _make_room(callback: Callable[..., Any]) -> None:
    """Narrow the columns before the help of an option, which are as wide as their widest entry."""
    for hint in get_type_hints(callback, include_extras=True).values():
        for info in getattr(hint, "__metadata__", ()):
            if not isinstance(info, OptionInfo):
                continue
            kinds = {hint.__origin__, *get_args(hint.__origin__)}
            # In an annotation the first name stands where a default would.
            names = [x for x in (info.default, *(info.param_decls or ())) if isinstance(x, str)]
            if bool in kinds and (not names or any("/" in name for name in names)):
                info.rich_help_panel = SWITCHES
            elif info.metavar is None and kinds & {int, float}:
                info.metavar = NUMBER


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
