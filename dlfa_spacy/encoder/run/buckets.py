"""Windows of similar length, encoded together: where the time of a batch is won or lost."""

from collections.abc import Iterator

import numpy

from ...types import IntArray

# Wordpieces in one forward pass, padding included. On a CPU a bigger batch only falls out of the
# cache.
CPU_BUDGET = 1024
GPU_BUDGET = 16384
# A bucket ends before padding is more than this part of it, unless it holds fewer
# than MIN_WINDOWS, or no more wordpieces than there is room for.
MAX_PADDING = 0.04
MIN_WINDOWS = 4
# Wordpieces that cost no more than fewer would: a GPU is idle until it has some thousands.
CPU_ROOM = 0
GPU_ROOM = 4096


def buckets(
    lengths: IntArray, budget: int, pads: bool = True, room: int = CPU_ROOM
) -> Iterator[IntArray]:
    """Group windows by length.

    lengths (IntArray): `(W,)` wordpieces of each window.
    budget (int): Wordpieces in a bucket; a single longer window is a bucket of its own.
    pads (bool): Whether each window costs as much as the longest of its bucket.
    room (int): Wordpieces, padding included, up to which padding costs nothing.
    YIELDS (IntArray): Indices of the windows of a bucket, shortest first; each window is in one.
    """
    order = numpy.argsort(lengths, kind="stable")
    begin, rows = 0, 0
    for end, window in enumerate(order):
        length = int(lengths[window])
        count = end - begin
        size = (count + 1) * length if pads else rows + length
        small = count < MIN_WINDOWS or size <= room
        wasteful = not small and size - rows - length > MAX_PADDING * size
        if count and (size > budget or wasteful):
            yield order[begin:end]
            begin, rows = end, 0
        rows += length
    if begin < len(order):
        yield order[begin:]
