"""A stated subset of a corpus that comes out the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def sample(items: Iterable[Item], total: int, limit: int, seed: int) -> Iterator[Item]:
    """Keep `limit` of `total` items, drawn without replacement, in their old order. A smaller draw
    with the same seed is a part of a larger one, so that a learning curve grows by new texts only.

    items (Iterable[Item]): The items.
    total (int): How many there are.
    limit (int): How many to keep; 0 for all.
    seed (int): Seed of the draw.
    YIELDS (Item): The items kept.
    """
    if limit <= 0 or limit >= total:
        yield from items
        return
    kept = drawn(total, limit, seed)
    for number, item in enumerate(items):
        if number in kept:
            yield item


def drawn(total: int, limit: int, seed: int) -> set[int]:
    """RETURNS (Set[int]): The numbers of the items that `sample` keeps, fewer than all."""
    order = list(range(total))
    random.Random(seed).shuffle(order)
    return set(order[:limit])
