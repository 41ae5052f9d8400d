"""Which texts a person sees first."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .records import Record


def least_certain_first(records: Iterable[Record], limit: int = 0) -> list[Record]:
    """Take from every language in turn the text that the pipeline is least certain of.

    So the first hundred are as good a choice as all of them, and no language is left for the end.
    Texts without confidence come behind the others of their language, in their order.

    records (Iterable[Record]): The texts. Those whose language is unknown are one more language.
    limit (int): How many to take; 0 for all.
    RETURNS (List[Record]): They.
    """
    by_language: dict[str | None, list[Record]] = {}
    for record in records:
        by_language.setdefault(record.language, []).append(record)
    places: list[tuple[int, int, Record]] = []
    for number, some in enumerate(by_language.values()):
        ordered = sorted(some, key=_certainty)
        places += [(turn, number, record) for turn, record in enumerate(ordered)]
    places.sort(key=lambda place: place[:2])
    return [record for *_, record in places[: limit or None]]


def _certainty(record: Record) -> float:
    return math.inf if record.confidence is None else record.confidence
