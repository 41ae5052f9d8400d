"""The input of an encoder: packed wordpieces of a batch of Docs, and which token owns which row."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy
from thinc.types import Ragged

from ...types import IntArray


@dataclass
class Windows:
    """What an encoder reads: windows one after the other, special tokens included, no padding.

    ids (IntArray): `(N,)` wordpiece ids.
    lengths (IntArray): `(W,)` wordpieces of each window, sums to N.
    doc_windows (IntArray): `(B,)` windows of each Doc, sums to W. 0 for an empty Doc.
    doc_rows (IntArray): `(B + 1,)` where each Doc's rows begin, of N.
    doc_tokens (IntArray): `(B + 1,)` where each Doc's tokens begin.
    align (Ragged): For each token of the batch the rows of its pieces. The separator of a pair owns
        the special tokens between the two texts.
    token_bounds (List[Tuple[int, int, int]]): Doc, first token and end token of each window.
    types (Optional[IntArray]): `(N,)` token types; None where all are 0.
    lost (Optional[IntArray]): `(B,)` wordpieces cut off: only of pairs longer than a window.
    """

    ids: IntArray
    lengths: IntArray
    doc_windows: IntArray
    doc_rows: IntArray
    doc_tokens: IntArray
    align: Ragged
    token_bounds: list[tuple[int, int, int]]
    types: IntArray | None = None
    lost: IntArray | None = None

    def doc_align(self, doc: int) -> Ragged:
        """RETURNS (Ragged): The alignment of one Doc, to rows counted from its own first row."""
        first, end = self.doc_tokens[doc], self.doc_tokens[doc + 1]
        begin, stop = self._align_bounds[first], self._align_bounds[end]
        data = self.align.dataXd[begin:stop]
        return Ragged(data - int(self.doc_rows[doc]), self.align.lengths[first:end].copy())

    def doc_window_lengths(self, doc: int) -> IntArray:
        """RETURNS (IntArray): The lengths of one Doc's windows (a view)."""
        first, end = self._window_bounds[doc], self._window_bounds[doc + 1]
        return self.lengths[first:end]

    def of_docs(self, docs: list[int]) -> "Windows":
        """RETURNS (Windows): Some of the Docs, for an encoder to read: without their tokens."""
        rows = [numpy.arange(self.doc_rows[doc], self.doc_rows[doc + 1]) for doc in docs]
        chosen = numpy.concatenate(rows)
        no_tokens = numpy.zeros((0,), dtype="int32")
        return Windows(
            ids=self.ids[chosen],
            lengths=numpy.concatenate([self.doc_window_lengths(doc) for doc in docs]),
            doc_windows=self.doc_windows[docs],
            doc_rows=numpy.cumsum([0, *(len(part) for part in rows)]),
            doc_tokens=numpy.zeros((len(docs) + 1,), dtype="int64"),
            align=Ragged(cast(Any, no_tokens), cast(Any, no_tokens)),
            token_bounds=[],
            types=None if self.types is None else self.types[chosen],
        )

    # Summed once per batch: asked for every Doc, sums up to it would be quadratic.

    @cached_property
    def _align_bounds(self) -> IntArray:
        """`(n_tokens + 1,)` where each token's rows begin in `align`."""
        lengths: Any = self.align.lengths
        return numpy.concatenate([[0], numpy.cumsum(lengths)]).astype("int64")

    @cached_property
    def _window_bounds(self) -> IntArray:
        """`(B + 1,)` where each Doc's windows begin."""
        return numpy.concatenate([[0], numpy.cumsum(self.doc_windows)]).astype("int64")
