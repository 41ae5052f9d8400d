"""The input of an encoder: packed wordpieces of a batch of Docs, and which token owns which row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy
from spacy.tokens import Doc
from thinc.types import Ragged

from ...types import IntArray
from .alignment import TokenTable, align_pieces, tokens_of_pieces
from .cuts import Stretches, cut_texts
from .frames import FIRST, SECOND, SINGLE, Frames
from .pieces import Pieces, PieceTokenizer
from .spans import WordpieceSpans
from .texts import SpanGetter, Texts, get_texts


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

    # Summed once a batch: asked for every Doc, sums up to it would be quadratic.

    @cached_property
    def _align_bounds(self) -> IntArray:
        """`(n_tokens + 1,)` where each token's rows begin in `align`."""
        lengths: Any = self.align.lengths
        return numpy.concatenate([[0], numpy.cumsum(lengths)]).astype("int64")

    @cached_property
    def _window_bounds(self) -> IntArray:
        """`(B + 1,)` where each Doc's windows begin."""
        return numpy.concatenate([[0], numpy.cumsum(self.doc_windows)]).astype("int64")


def segment(
    docs: Sequence[Doc],
    get_spans: SpanGetter,
    tokenizer: PieceTokenizer,
    max_length: int,
) -> Windows:
    """Turn Docs into windows of wordpieces.

    docs (Sequence[Doc]): The batch.
    get_spans (SpanGetter): Which spans are encoded together. A pair of texts (`dlfa_spacy.pairs`)
        is one window, whatever the getter says.
    tokenizer (PieceTokenizer): The encoder's.
    max_length (int): Wordpieces the encoder reads at once, special tokens included. A longer span
        is cut into several windows, and nothing is lost; a longer pair is cut to one, longest text
        first, as Hugging Face does.
    RETURNS (Windows): The packed input.
    """
    docs = list(docs)
    frames = tokenizer.frames
    room = _room(frames, max_length)
    if isinstance(get_spans, WordpieceSpans):
        window = min(get_spans.window, room)
        # Where the encoder reads less than the getter asks for, windows overlap as much in part.
        stride = max(1, get_spans.stride * window // get_spans.window)
    else:
        window = stride = room
    tokens = TokenTable(docs)
    texts = get_texts(docs, get_spans)
    pieces = tokenizer(texts.texts)
    if not frames.single_size:
        pieces = pieces.with_blanks(_may_be_blank(texts, pieces), tokenizer.blank_id)
    offsets = numpy.repeat(tokens.doc_chars[texts.docs] + texts.chars, pieces.lengths)
    first, last = tokens_of_pieces(tokens, pieces.starts + offsets, pieces.ends + offsets)
    # So many that a pair is as long as the longest single text, special tokens included: that is
    # what a maximum length means to Hugging Face.
    pair_room = max(2, window + frames.single_size - frames.pair_size)
    stretches = cut_texts(
        docs, texts, pieces, first, last, window, stride, pair_room, tokenizer.is_fast
    )
    return _pack(docs, tokens, texts, pieces, stretches, first, last, frames)


def _room(frames: Frames, max_length: int) -> int:
    """RETURNS (int): Wordpieces of a single text that the encoder reads at once."""
    room = max_length - frames.single_size
    if room < 1:
        raise ValueError(
            f"[components.transformer.model] The encoder reads {max_length} wordpieces at once, of "
            f"which {frames.single_size} are special tokens: expected room for a wordpiece "
            "of the text. Fix: correct model_max_length ([components.transformer.model] "
            "tokenizer_config), or choose another encoder (name)."
        )
    return room


def _may_be_blank(texts: Texts, pieces: Pieces) -> IntArray:
    """RETURNS (IntArray): `(n_texts,)` (bool) the texts that need a piece: without special tokens
    a window of nothing could not be encoded."""
    following = numpy.append(pieces.lengths[1:], 0)
    return (texts.frames == SINGLE) | ((texts.frames == FIRST) & (following == 0))


def _pack(
    docs: list[Doc],
    tokens: TokenTable,
    texts: Texts,
    pieces: Pieces,
    stretches: Stretches,
    first: IntArray,
    last: IntArray,
    frames: Frames,
) -> Windows:
    before = numpy.asarray([len(frame.before) for frame in frames.frames])[stretches.frames]
    after = numpy.asarray([len(frame.after) for frame in frames.frames])[stretches.frames]
    counts = stretches.ends - stretches.begins
    sizes = before + counts + after
    stretch_rows = numpy.concatenate([[0], numpy.cumsum(sizes)]).astype("int64")
    # Of every piece in every stretch: its index among all pieces, and its packed row.
    within = numpy.arange(int(counts.sum())) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    source = numpy.repeat(stretches.begins, counts) + within
    rows = numpy.repeat(stretch_rows[:-1] + before, counts) + within
    ids = numpy.empty((int(stretch_rows[-1]),), dtype="int64")
    ids[rows] = pieces.ids[source]
    types = _types(stretches, frames, ids, rows, counts)
    for kind in (SINGLE, FIRST, SECOND):
        frame = frames[kind]
        chosen = numpy.flatnonzero(stretches.frames == kind)
        starts, ends = stretch_rows[chosen], stretch_rows[chosen + 1]
        for i, special in enumerate(frame.before):
            ids[starts + i] = special
            if types is not None:
                types[starts + i] = frame.before_types[i]
        for i, special in enumerate(frame.after):
            ids[ends - len(frame.after) + i] = special
            if types is not None:
                types[ends - len(frame.after) + i] = frame.after_types[i]
    opens = numpy.flatnonzero(stretches.opens)
    window_docs = texts.docs[stretches.texts[opens]]
    window_rows = numpy.append(stretch_rows[:-1][opens], stretch_rows[-1])
    doc_windows = numpy.bincount(window_docs, minlength=len(docs))
    doc_ends = numpy.concatenate([[0], numpy.cumsum(doc_windows)])
    token, token_rows = _separator_rows(tokens, texts, stretches, stretch_rows, before)
    return Windows(
        ids=ids,
        lengths=numpy.diff(window_rows),
        doc_windows=doc_windows,
        doc_rows=window_rows[doc_ends],
        doc_tokens=tokens.doc_tokens,
        align=align_pieces(
            numpy.concatenate([first[source], token]),
            numpy.concatenate([last[source], token]),
            numpy.concatenate([rows, token_rows]),
            len(tokens),
        ),
        token_bounds=_token_bounds(tokens, window_docs, stretches, opens, first, last),
        types=types,
        lost=stretches.lost,
    )


def _types(
    stretches: Stretches, frames: Frames, ids: IntArray, rows: IntArray, counts: IntArray
) -> IntArray | None:
    """RETURNS (Optional[IntArray]): `(N,)` the token types of the texts' pieces. None if the
    tokenizer gives none, or only zeros for what is there: encoders take that for granted."""
    kinds = numpy.unique(stretches.frames).tolist()
    used = [frames[kind] for kind in kinds]
    if not frames.has_types or not any(
        any(frame.before_types) or any(frame.after_types) or frame.piece_type for frame in used
    ):
        return None
    types = numpy.zeros_like(ids)
    piece_types = numpy.asarray([frame.piece_type for frame in frames.frames])
    types[rows] = numpy.repeat(piece_types[stretches.frames], counts)
    return types


def _separator_rows(
    tokens: TokenTable,
    texts: Texts,
    stretches: Stretches,
    stretch_rows: IntArray,
    before: IntArray,
) -> tuple[IntArray, IntArray]:
    """RETURNS (Tuple[IntArray, IntArray]): The separator's token, and a row of a special token that
    stands between the two texts of its pair, for every such row."""
    seconds = numpy.flatnonzero(stretches.frames == SECOND)
    docs = texts.docs[stretches.texts[seconds]]
    places = numpy.asarray([texts.separators[doc] for doc in docs.tolist()], dtype="int64")
    token = numpy.searchsorted(tokens.ends, tokens.doc_chars[docs] + places, side="right")
    sizes = before[seconds]
    within = numpy.arange(int(sizes.sum())) - numpy.repeat(numpy.cumsum(sizes) - sizes, sizes)
    rows = numpy.repeat(stretch_rows[seconds], sizes) + within
    return numpy.repeat(token, sizes), rows


def _token_bounds(
    tokens: TokenTable,
    window_docs: IntArray,
    stretches: Stretches,
    opens: IntArray,
    first: IntArray,
    last: IntArray,
) -> list[tuple[int, int, int]]:
    bounds = []
    begins, ends, kinds = (x[opens] for x in (stretches.begins, stretches.ends, stretches.frames))
    for doc, begin, end, kind in zip(
        window_docs.tolist(), begins.tolist(), ends.tolist(), kinds.tolist(), strict=True
    ):
        offset = int(tokens.doc_tokens[doc])
        if begin == end or kind == FIRST:
            bounds.append((doc, 0, int(tokens.doc_tokens[doc + 1]) - offset))
        else:
            bounds.append((doc, int(first[begin]) - offset, int(last[end - 1]) + 1 - offset))
    return bounds
