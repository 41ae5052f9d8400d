"""What the readers of the tools' files share: values of JSON that are what they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...files.errors import malformed
from .records import LANGUAGE_KEYS, Entity


def text_of(path: Path, line: int, found: dict[str, Any]) -> str:
    """RETURNS (str): The text of a record.
    RAISES (ValueError): There is none."""
    text = found.get("text")
    if not isinstance(text, str):
        raise malformed(
            path, line, found, 'a record with "text"', "Fix: name the key of the texts text."
        )
    return text


def language_of(*places: Any) -> str | None:
    """RETURNS (Optional[str]): The language of a record, from the first place that has it."""
    for place in places:
        for key in LANGUAGE_KEYS:
            found = place.get(key) if isinstance(place, dict) else None
            if isinstance(found, str) and found:
                return found
    return None


def entity(
    path: Path, line: int, text: str, found: Any, start: Any, end: Any, label: Any
) -> Entity:
    """RETURNS (Entity): A stretch of the text.
    RAISES (ValueError): It is not inside it, or has no label."""
    numbers = type(start) is int and type(end) is int and 0 <= start <= end <= len(text)
    if not numbers or not isinstance(label, str) or not label:
        raise malformed(
            path,
            line,
            found,
            f"an entity with a label, between characters 0 and {len(text)} of its text",
            "Fix: correct it, or export the file again.",
        )
    return Entity(start, end, label)


def listed(path: Path, line: int, found: dict[str, Any], key: str) -> list[Any]:
    """RETURNS (List[Any]): What stands under a key; nothing if there is no such key.
    RAISES (ValueError): It is no list."""
    value = found.get(key)
    if value is not None and not isinstance(value, list):
        raise malformed(path, line, value, f'a list as "{key}"', "Fix: export the file again.")
    return value or []


def names(path: Path, line: int, found: Any) -> list[str]:
    """RETURNS (List[str]): Names of categories.
    RAISES (ValueError): It is something else."""
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise malformed(path, line, found, "a list of categories", "Fix: export the file again.")
    return list(found)
