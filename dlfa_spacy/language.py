"""`doc._.language`: the language of a Doc (`doc.lang_` is that of the vocab, "xx" always)."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc

# Typed as Any: spaCy's stubs say that the keys of user_data are strings; those of extensions are
# tuples.
_KEY: Any = ("._.", "language", None, None)


def register_language_extension() -> None:
    """Register `doc._.language` (default `None`), unless somebody already has."""
    if not Doc.has_extension("language"):
        Doc.set_extension("language", default=None)


def set_language(doc: Doc, language: str | None) -> None:
    """Record the language of a Doc.

    It is written where spaCy keeps extension values, so that `DocBin(store_user_data=True)`
    keeps it, and so that it works even where another package registered `language` with a
    getter that cannot be set.

    doc (Doc): The Doc.
    language (Optional[str]): Language code, or `None` for unknown.
    """
    register_language_extension()
    doc.user_data[_KEY] = language


def get_language(doc: Doc) -> str | None:
    """Read the language of a Doc.

    doc (Doc): The Doc.
    RETURNS (Optional[str]): Language code, or `None` for unknown.
    """
    value = doc.user_data.get(_KEY)
    return value if isinstance(value, str) else None
