"""Makes the commands available as `python -m spacy dlfa ...`.

Apart from the commands because it imports spaCy's command line, which takes a second that
`dlfa --help` need not spend.
"""

from spacy.cli._util import app as spacy_app

from . import app

# spaCy asks for the entry points of its command line more than once.
if not any(group.typer_instance is app for group in spacy_app.registered_groups):
    spacy_app.add_typer(app, name="dlfa")

__all__ = ["app"]
