"""Which wordpieces belong to which token, computed for a whole batch at once."""

from collections.abc import Sequence
from typing import cast

import numpy
from spacy.attrs import IDX, LENGTH
from spacy.tokens import Doc
from thinc.types import Ints1d, Ragged

from ...types import IntArray


class TokenTable:
    """The tokens of a batch of Docs on one line of characters, Doc after Doc.

    starts, ends (IntArray): `(n_tokens,)` character offsets on that line.
    doc_chars (IntArray): `(B,)` where each Doc's text begins on it.
    doc_tokens (IntArray): `(B + 1,)` where each Doc's tokens begin among all tokens.
    """

    def __init__(self, docs: Sequence[Doc]):
        tables = [doc.to_array([IDX, LENGTH]).astype("int64").reshape(-1, 2) for doc in docs]
        counts = numpy.fromiter((len(table) for table in tables), dtype="int64")
        # One character more than the text, so that the end of a Doc is not the start of the next.
        chars = [len(doc.text) + 1 for doc in docs]
        self.doc_chars = numpy.concatenate([[0], numpy.cumsum(chars)])[:-1].astype("int64")
        self.doc_tokens = numpy.concatenate([[0], numpy.cumsum(counts)]).astype("int64")
        table = numpy.concatenate(tables) if tables else numpy.zeros((0, 2), dtype="int64")
        self.starts = table[:, 0] + numpy.repeat(self.doc_chars, counts)
        self.ends = self.starts + table[:, 1]

    def __len__(self) -> int:
        return len(self.starts)


def tokens_of_pieces(
    tokens: TokenTable, starts: IntArray, ends: IntArray
) -> tuple[IntArray, IntArray]:
    """First and last token that each piece overlaps.

    Stock spacy-transformers counts the space after a token as a part of it, so that a piece with a
    leading space ("▁Berlin" of SentencePiece) belongs to the token before it as well. Here it
    does not; for pieces without spaces the two agree.

    starts, ends (IntArray): `(N,)` character offsets of the pieces on the table's line.
    RETURNS (Tuple[IntArray, IntArray]): `(N,)` each; last < first for a piece without a token (a
        piece of white space between two tokens).
    """
    first = numpy.searchsorted(tokens.ends, starts, side="right")
    last = numpy.searchsorted(tokens.starts, ends, side="left") - 1
    return first, numpy.where(ends > starts, last, first - 1)


def align_pieces(first: IntArray, last: IntArray, rows: IntArray, n_tokens: int) -> Ragged:
    """Turn "the tokens of each piece" into "the rows of each token".

    first, last (IntArray): `(N,)`, see `tokens_of_pieces`.
    rows (IntArray): `(N,)` the packed row that holds each piece.
    n_tokens (int): Tokens of the batch.
    RETURNS (Ragged): `data` the rows, token after token; `lengths` `(n_tokens,)`, 0 for a token
        without pieces. A token in two overlapping windows owns the pieces of both.
    """
    counts = numpy.maximum(last - first + 1, 0)
    piece = numpy.repeat(numpy.arange(len(rows)), counts)
    within = numpy.arange(len(piece)) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    token = first[piece] + within
    order = numpy.argsort(token, kind="stable")
    lengths = numpy.bincount(token, minlength=n_tokens)
    data = rows[piece][order].astype("int32")
    return Ragged(cast(Ints1d, data), cast(Ints1d, lengths.astype("int32")))
