"""Windows of similar length, encoded together: where the time of a batch is won or lost."""

from collections.abc import Iterator

import numpy

from ..types import IntArray

# Padded wordpieces in one forward pass. On a CPU a bigger batch only falls out of the cache.
CPU_BUDGET = 1024
GPU_BUDGET = 16384
# A bucket ends before padding is more than this part of it, unless it holds fewer than MIN_WINDOWS.
MAX_PADDING = 0.04
MIN_WINDOWS = 4


def buckets(lengths: IntArray, budget: int) -> Iterator[IntArray]:
    """Group windows by length.

    lengths (IntArray): `(W,)` wordpieces of each window.
    budget (int): Padded wordpieces in a bucket; a single longer window is a bucket of its own.
    YIELDS (IntArray): Indices of the windows of a bucket, shortest first; each window is in one.
    """
    order = numpy.argsort(lengths, kind="stable")
    begin, rows = 0, 0
    for end, window in enumerate(order):
        length = int(lengths[window])
        count = end - begin
        padded = (count + 1) * length
        wasteful = count >= MIN_WINDOWS and padded - rows - length > MAX_PADDING * padded
        if count and (padded > budget or wasteful):
            yield order[begin:end]
            begin, rows = end, 0
        rows += length
    if begin < len(order):
        yield order[begin:]
