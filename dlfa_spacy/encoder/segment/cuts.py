"""Stretches of wordpieces: what of the texts is encoded."""

from dataclasses import dataclass

from ...types import IntArray
from .frames import SECOND


@dataclass
class Stretches:
    """Stretches of wordpieces, in the order of their windows.

    begins, ends (IntArray): `(n,)` offsets among all pieces of the batch.
    texts (IntArray): `(n,)` the text that each comes from.
    frames (IntArray): `(n,)` SINGLE, FIRST or SECOND: a window has one stretch, or two of a pair.
    lost (IntArray): `(B,)` wordpieces of each Doc that are in no stretch: of pairs too long.
    """

    begins: IntArray
    ends: IntArray
    texts: IntArray
    frames: IntArray
    lost: IntArray

    @property
    def opens(self) -> IntArray:
        """`(n,)` (bool) whether a stretch begins a window."""
        return self.frames != SECOND


def longest_first(first: int, second: int, room: int, is_fast: bool = True) -> tuple[int, int]:
    """Cut the longer text until both fit, as Hugging Face's `truncation="longest_first"` does.

    first, second (int): Wordpieces of the two texts.
    room (int): Wordpieces that fit, special tokens not counted.
    is_fast (bool): Where both texts are longer than half of an odd room, fast tokenizers leave the
        odd piece to the longer text, and slow ones to the first.
    RETURNS (Tuple[int, int]): Wordpieces of each that are kept, from its start.
    """
    if first + second <= room:
        return first, second
    half = room // 2
    shorter = min(first, second)
    if shorter <= half:
        return (first, room - first) if first <= second else (room - second, second)
    if is_fast and first > second:
        return room - half, half
    if is_fast:
        return half, room - half
    return room - half, half
