"""Makes the commands available as `python -m spacy dlfa ...`.

Apart from the commands because it imports spaCy's command line, which takes a second that
`dlfa --help` need not spend.
"""

from typing import Any

import typer
from spacy.cli import app as spacy_app
from typer.core import TyperCommand, TyperGroup

from . import app


# A group takes its markup from the one that it is in, and spaCy's has none.
class _RichCommand(TyperCommand):
    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "rich_markup_mode": "rich"})


class _RichGroup(TyperGroup):
    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "rich_markup_mode": "rich"})


def _enrich(group: typer.Typer) -> None:
    for command in group.registered_commands:
        command.cls = _RichCommand
    for inner in group.registered_groups:
        inner.cls = _RichGroup
        if inner.typer_instance is not None:
            _enrich(inner.typer_instance)


# spaCy asks for the entry points of its command line more than once.
if not any(group.typer_instance is app for group in spacy_app.registered_groups):
    _enrich(app)
    spacy_app.add_typer(app, name="dlfa", cls=_RichGroup)

__all__ = ["app"]
