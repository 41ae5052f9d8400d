"""From the wordpieces of texts to the stretches of them that are encoded."""

from dataclasses import dataclass

import numpy
from spacy.tokens import Doc

from ...types import IntArray
from .frames import FIRST, SECOND
from .pieces import Pieces
from .spans import cut
from .texts import Texts


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


def cut_texts(
    docs: list[Doc],
    texts: Texts,
    pieces: Pieces,
    first: IntArray,
    last: IntArray,
    window: int,
    stride: int,
    pair_room: int,
    is_fast: bool,
) -> Stretches:
    """Cut every text into windows, and the two texts of a pair to one.

    first, last (IntArray): `(N,)` the tokens of each piece (see `tokens_of_pieces`).
    window, stride (int): See `cut`.
    pair_room (int): Wordpieces of both texts of a pair together.
    is_fast (bool): See `longest_first`.
    """
    rows: list[tuple[int, int, int, int]] = []
    lost = numpy.zeros((len(docs),), dtype="int64")
    lengths = pieces.lengths.tolist()
    frames = texts.frames.tolist()
    begin = 0
    for text, length in enumerate(lengths):
        end = begin + length
        if frames[text] == FIRST:
            following = lengths[text + 1]
            kept = longest_first(length, following, pair_room, is_fast)
            rows.append((begin, begin + kept[0], text, FIRST))
            rows.append((end, end + kept[1], text + 1, SECOND))
            lost[texts.docs[text]] = length + following - sum(kept)
        elif frames[text] != SECOND:
            if length > window:
                cuts = cut(first[begin:end], last[begin:end], window, stride)
            else:
                # A text without pieces (white space) still is a window of its special tokens; an
                # empty Doc is none.
                cuts = [(0, length)] if len(docs[texts.docs[text]]) else []
            rows.extend((begin + a, begin + b, text, frames[text]) for a, b in cuts)
        begin = end
    table = numpy.asarray(rows, dtype="int64").reshape(-1, 4)
    return Stretches(table[:, 0], table[:, 1], table[:, 2], table[:, 3], lost)


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
