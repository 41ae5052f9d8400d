"""Keeps the links of words that have one translation each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .pair import Link


def one_to_one(links: Iterable[Link]) -> list[Link]:
    """Leave out every link that shares a word with another: of those it is not known which words
    are each other's translation. `0-0 0-1 2-2` becomes `2-2`.

    links (Iterable[Tuple[int, int]]): Links of one pair; the same one twice counts once.
    RETURNS (List[Tuple[int, int]]): The others, in their order.

    Source: Cao, Kitaev & Klein 2020, section 3.
    """
    single = list(dict.fromkeys(links))
    sources = Counter(source for source, _ in single)
    targets = Counter(target for _, target in single)
    return [link for link in single if sources[link[0]] == 1 and targets[link[1]] == 1]
