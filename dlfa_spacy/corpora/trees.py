"""Trees over the words of a sentence, as lists or tables of heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def depths_of(heads: Mapping[int, int]) -> dict[int, int]:
    """Tell how far each word of a sentence is from the root, in one pass.

    heads (Mapping[int, int]): HEAD by ID; IDs without HEAD are left out.
    RETURNS (Dict[int, int]): Steps to a word without HEAD, by ID. Into a cycle, which is bad
        annotation, the steps until a word comes again.
    """
    depths: dict[int, int] = {}
    for first in heads:
        path: dict[int, int] = {}
        node = first
        while node in heads and node not in depths and node not in path:
            path[node] = len(path)
            node = heads[node]
        if node in path:
            length = len(path) - path[node]
            depths.update((one, length) for one, place in path.items() if place >= path[node])
        for one in reversed(path):
            if one not in depths:
                depths[one] = 1 + depths.get(heads[one], 0)
    return depths


def is_tree(heads: Sequence[int]) -> bool:
    """Tell whether every word hangs on the one root, in one pass.

    heads (Sequence[int]): The index of each word's head; a root's is its own.
    RETURNS (bool): Whether there is one root and no cycle.
    """
    reached = {word for word, head in enumerate(heads) if word == head}
    if len(reached) != 1:
        return False
    for word in range(len(heads)):
        path: set[int] = set()
        node = word
        while node not in reached:
            if node in path:
                return False
            path.add(node)
            node = heads[node]
        reached |= path
    return True
