"""A text with its annotations, as all tools have it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Where a tool's file says which language a text is in.
LANGUAGE_KEYS = ("language", "lang")


@dataclass(frozen=True)
class Entity:
    """A stretch of a text, in characters as Python counts them (code points).

    start, end (int): From where, and up to where.
    label (str): What it is.
    confidence (Optional[float]): How sure the pipeline was, 0 to 1.
    """

    start: int
    end: int
    label: str
    confidence: float | None = None


@dataclass(frozen=True)
class Record:
    """A text and its annotations.

    text (str): The text.
    entities (List[Entity]): Its entities.
    categories (List[str]): What it was classified as.
    language (Optional[str]): Its language; None for unknown.
    confidence (Optional[float]): How sure the pipeline was of all of it.
    tokens (List[Tuple[int, int]]): Where each token begins and ends.
    meta (Dict[str, Any]): What came with the text, and goes with it.
    line (int): Line or number in the file, for errors.
    """

    text: str
    entities: list[Entity] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    language: str | None = None
    confidence: float | None = None
    tokens: list[tuple[int, int]] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    line: int = 0


# What was left out or changed, in words.
NOTES = {
    "rejected": "records left out, rejected or skipped",
    "unanswered": "records left out, not annotated yet",
    "several": "annotations of the same text left out, one by text is kept",
    "ignored": "annotations that are neither entities nor categories left out",
    "utf16": "entities whose offsets were UTF-16 units",
    "misaligned": "entities that begin or end inside a token",
    "empty": "entities without a letter left out",
    "overlapping": "entities left out, inside or across longer ones",
}


@dataclass
class Notes:
    """counts (Counter): How often something was left out or changed, by the keys of `NOTES`."""

    counts: Counter[str] = field(default_factory=Counter)

    def in_words(self) -> list[str]:
        """RETURNS (List[str]): A line for each kind that there was."""
        return [f"{self.counts[key]} {words}" for key, words in NOTES.items() if self.counts[key]]
