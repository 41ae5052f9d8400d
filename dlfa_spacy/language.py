"""`doc._.language`: the language of a Doc (`doc.lang_` is that of the vocab, "xx" always)."""

from __future__ import annotations

from typing import Any

from spacy.tokens import Doc, Span

LANGUAGE = "language"
CONFIDENCE = "language_confidence"


def register_language_extension() -> None:
    """Register `doc._.language` (default `None`), unless somebody already has."""
    if not Doc.has_extension(LANGUAGE):
        Doc.set_extension(LANGUAGE, default=None)


def register_detection_extensions() -> None:
    """Register what a detector sets: `language` and `language_confidence` of Docs and spans
    (default `None`), unless somebody already has."""
    for kind in (Doc, Span):
        for name in (LANGUAGE, CONFIDENCE):
            if not kind.has_extension(name):
                kind.set_extension(name, default=None)


def set_language(item: Doc | Span, language: str | None, confidence: float | None = None) -> None:
    """Record the language of a Doc or a span.

    It is written where spaCy keeps extension values, so that `DocBin(store_user_data=True)`
    keeps it, and so that it works even where another package registered `language` with a
    getter that cannot be set.

    item (Union[Doc, Span]): The Doc or span.
    language (Optional[str]): Language code, or `None` for unknown.
    confidence (Optional[float]): How sure that is, 0 to 1; `None` for what needs no guess.
    """
    register_language_extension()
    item.doc.user_data[_key(item, LANGUAGE)] = language
    if confidence is not None:
        item.doc.user_data[_key(item, CONFIDENCE)] = confidence


def get_language(item: Doc | Span) -> str | None:
    """Read the language of a Doc or a span.

    item (Union[Doc, Span]): The Doc or span.
    RETURNS (Optional[str]): Language code, or `None` for unknown.
    """
    value = item.doc.user_data.get(_key(item, LANGUAGE))
    return value if isinstance(value, str) else None


def _key(item: Doc | Span, name: str) -> Any:
    """Typed as Any: spaCy's stubs say that the keys of user_data are strings; those of extensions
    are tuples."""
    if isinstance(item, Doc):
        return ("._.", name, None, None)
    return ("._.", name, item.start_char, item.end_char)
