"""Byte-pair vocabularies: pieces are made of others, pair by pair."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Pair = tuple[str, str]


class Merges:
    """Makes pieces of letters, as a byte-pair model does: of all neighbors that make a piece, those
    come first whose pair was learned first.

    model (Dict[str, Any]): That of a tokenizer.json.
    """

    def __init__(self, model: dict[str, Any]):
        self.ranks = {pair: rank for rank, pair in enumerate(pairs_of(model))}

    def parts(self, piece: str) -> set[str]:
        """RETURNS (Set[str]): What there is on the way from a piece's letters to the piece. A text
        in which the piece stands is cut on this way, whatever its neighbors are: of the pairs
        inside it, those that come first in the text come first in the piece."""
        found = list(piece)
        made = {piece, *found}
        while len(found) > 1:
            ranked = [
                (rank, i)
                for i, pair in enumerate(zip(found, found[1:], strict=False))
                if (rank := self.ranks.get(pair)) is not None
            ]
            if not ranked:
                break
            _, i = min(ranked)
            found[i : i + 2] = [found[i] + found[i + 1]]
            made.add(found[i])
        return made


def with_parts(model: dict[str, Any], ids: Iterable[int]) -> set[int]:
    """RETURNS (Set[int]): Some pieces, and those that they are made of."""
    vocab: dict[str, int] = model["vocab"]
    pieces = {i: piece for piece, i in vocab.items()}
    merges = Merges(model)
    found = set(ids)
    for i in list(found):
        # Tokens that were added to the vocabulary are not made of anything.
        if i in pieces:
            found.update(vocab[part] for part in merges.parts(pieces[i]) if part in vocab)
    return found


def pairs_of(model: dict[str, Any]) -> list[Pair]:
    """RETURNS (List[Tuple[str, str]]): What a model merges, in order."""
    merges = [m.split(" ") if isinstance(m, str) else m for m in model["merges"]]
    return [(first, second) for first, second in merges]


def trim_pairs(model: dict[str, Any], vocab: dict[str, int]) -> None:
    """Keep the merges that make the pieces of a smaller vocabulary.

    model (Dict[str, Any]): Changed in place.
    vocab (Dict[str, int]): Piece -> new id.
    """
    kept = [(a, b) for a, b in pairs_of(model) if a in vocab and b in vocab and a + b in vocab]
    model["merges"] = [list(pair) for pair in kept]
