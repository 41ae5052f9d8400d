"""Stretches of words carried over links to the words of a translation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...parallel import Link

# Why one is lost: none of its words is linked; its linked words stand too far apart; it would share
# a word with another.
UNLINKED, GAP, OVERLAP = "unlinked", "gap", "overlap"


class Carried(NamedTuple):
    """What became of a stretch.

    start, end (int): From the least to the greatest linked word of the translation, `end` not
        included: the stretch there, or where a lost one may be. 0 and 0 if none is linked.
    lost (str): Why it is lost; empty if it is not.
    """

    start: int
    end: int
    lost: str = ""


def carry(
    spans: Sequence[tuple[int, int]], links: Iterable[Link], max_gap: int = 1
) -> list[Carried]:
    """Carry stretches of words over to a translation.

    spans (Sequence[Tuple[int, int]]): First word and the one after the last.
    links (Iterable[Tuple[int, int]]): Word of this side, word of the translation.
    max_gap (int): How many words of the translation that are not linked to a stretch may stand
        between two that are. They belong to it then.
    RETURNS (List[Carried]): For each stretch, in their order. Those that are not lost do not
        overlap.
    """
    to: dict[int, list[int]] = {}
    for here, there in links:
        to.setdefault(here, []).append(there)
    found = [_place(start, end, to, max_gap) for start, end in spans]
    return [
        one._replace(lost=OVERLAP)
        if not one.lost and any(_overlap(one, other) for other in found if other is not one)
        else one
        for one in found
    ]


def _place(start: int, end: int, to: dict[int, list[int]], max_gap: int) -> Carried:
    words = sorted({there for here in range(start, end) for there in to.get(here, ())})
    if not words:
        return Carried(0, 0, UNLINKED)
    gaps = (b - a - 1 for a, b in zip(words, words[1:], strict=False))
    return Carried(words[0], words[-1] + 1, GAP if max(gaps, default=0) > max_gap else "")


def _overlap(one: Carried, other: Carried) -> bool:
    return not other.lost and one.start < other.end and other.start < one.end
