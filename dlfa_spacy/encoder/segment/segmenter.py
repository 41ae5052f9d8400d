"""From Docs to windows of wordpieces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
from spacy.tokens import Doc

from ...types import IntArray
from .alignment import TokenTable, align_pieces, tokens_of_pieces
from .cuts import Stretches, longest_first
from .frames import FIRST, SECOND, SINGLE
from .pieces import Pieces, PieceTokenizer
from .spans import WordpieceSpans, cut
from .texts import SpanGetter, Texts, get_texts
from .windows import Windows


@dataclass
class PieceTable:
    """The wordpieces of a batch of Docs, and whose they are.

    docs (List[Doc]): The batch.
    tokens (TokenTable): Its tokens.
    texts (Texts): The texts that went to the tokenizer.
    pieces (Pieces): What it made of them.
    first, last (IntArray): `(N,)` the tokens that each piece overlaps, see `tokens_of_pieces`.
    """

    docs: list[Doc]
    tokens: TokenTable
    texts: Texts
    pieces: Pieces
    first: IntArray
    last: IntArray


class Segmenter:
    """Turns Docs into windows of wordpieces.

    tokenizer (PieceTokenizer): The encoder's.
    get_spans (SpanGetter): Which spans are encoded together. A pair of texts (`dlfa_spacy.pairs`)
        is one window, whatever the getter says.
    max_length (int): Wordpieces the encoder reads at once, special tokens included. A longer span
        is cut into several windows, and nothing is lost; a longer pair is cut to one, longest text
        first, as Hugging Face does.
    RAISES (ValueError): There is no room beside the special tokens.
    """

    def __init__(self, tokenizer: PieceTokenizer, get_spans: SpanGetter, max_length: int):
        self.tokenizer = tokenizer
        self.get_spans = get_spans
        self.frames = tokenizer.frames
        room = max_length - self.frames.single_size
        if room < 1:
            raise ValueError(
                f"[components.transformer.model] The encoder reads {max_length} wordpieces at "
                f"once, of which {self.frames.single_size} are special tokens: expected room for a "
                "wordpiece of the text. Fix: correct model_max_length "
                "([components.transformer.model] tokenizer_config), or choose another encoder "
                "(name)."
            )
        self.window = self.stride = room
        if isinstance(get_spans, WordpieceSpans):
            self.window = min(get_spans.window, room)
            # Where the encoder reads less than the getter asks for, windows overlap as much in
            # part.
            self.stride = max(1, get_spans.stride * self.window // get_spans.window)
        # So many that a pair is as long as the longest single text, special tokens included: that
        # is what a maximum length means to Hugging Face.
        self.pair_room = max(2, self.window + self.frames.single_size - self.frames.pair_size)

    def __call__(self, docs: Sequence[Doc]) -> Windows:
        """RETURNS (Windows): The packed input of an encoder."""
        table = self._read(list(docs))
        return self._pack(table, self._cut(table))

    def _read(self, docs: list[Doc]) -> PieceTable:
        tokens = TokenTable(docs)
        texts = get_texts(docs, self.get_spans)
        pieces = self.tokenizer(texts.texts)
        if not self.frames.single_size:
            pieces = pieces.with_blanks(_may_be_blank(texts, pieces), self.tokenizer.blank_id)
        offsets = numpy.repeat(tokens.doc_chars[texts.docs] + texts.chars, pieces.lengths)
        first, last = tokens_of_pieces(tokens, pieces.starts + offsets, pieces.ends + offsets)
        return PieceTable(docs, tokens, texts, pieces, first, last)

    def _cut(self, table: PieceTable) -> Stretches:
        """Cut every text into windows, and the two texts of a pair to one."""
        rows: list[tuple[int, int, int, int]] = []
        lost = numpy.zeros((len(table.docs),), dtype="int64")
        lengths = table.pieces.lengths.tolist()
        frames = table.texts.frames.tolist()
        begin = 0
        for text, length in enumerate(lengths):
            end = begin + length
            if frames[text] == FIRST:
                both = length, lengths[text + 1]
                kept = longest_first(*both, self.pair_room, self.tokenizer.is_fast)
                rows.append((begin, begin + kept[0], text, FIRST))
                rows.append((end, end + kept[1], text + 1, SECOND))
                lost[table.texts.docs[text]] = sum(both) - sum(kept)
            elif frames[text] != SECOND:
                if length > self.window:
                    tokens = table.first[begin:end], table.last[begin:end]
                    cuts = cut(*tokens, self.window, self.stride)
                else:
                    # A text without pieces (white space) still is a window of its special tokens;
                    # an empty Doc is none.
                    cuts = [(0, length)] if len(table.docs[table.texts.docs[text]]) else []
                rows.extend((begin + a, begin + b, text, frames[text]) for a, b in cuts)
            begin = end
        columns = numpy.asarray(rows, dtype="int64").reshape(-1, 4)
        return Stretches(columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3], lost)

    def _pack(self, table: PieceTable, stretches: Stretches) -> Windows:
        frames = self.frames
        before = numpy.asarray([len(frame.before) for frame in frames.frames])[stretches.frames]
        after = numpy.asarray([len(frame.after) for frame in frames.frames])[stretches.frames]
        counts = stretches.ends - stretches.begins
        stretch_rows = _bounds(before + counts + after)
        # Of every piece in every stretch: its index among all pieces, and its packed row.
        within = _within(counts)
        source = numpy.repeat(stretches.begins, counts) + within
        rows = numpy.repeat(stretch_rows[:-1] + before, counts) + within
        ids = numpy.empty((int(stretch_rows[-1]),), dtype="int64")
        ids[rows] = table.pieces.ids[source]
        types = self._types(stretches, ids, rows, counts)
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
        window_docs = table.texts.docs[stretches.texts[opens]]
        window_rows = numpy.append(stretch_rows[:-1][opens], stretch_rows[-1])
        doc_windows = numpy.bincount(window_docs, minlength=len(table.docs))
        token, token_rows = _separator_rows(table, stretches, stretch_rows, before)
        return Windows(
            ids=ids,
            lengths=numpy.diff(window_rows),
            doc_windows=doc_windows,
            doc_rows=window_rows[_bounds(doc_windows)],
            doc_tokens=table.tokens.doc_tokens,
            align=align_pieces(
                numpy.concatenate([table.first[source], token]),
                numpy.concatenate([table.last[source], token]),
                numpy.concatenate([rows, token_rows]),
                len(table.tokens),
            ),
            token_bounds=_token_bounds(table, stretches, window_docs, opens),
            types=types,
            lost=stretches.lost,
        )

    def _types(
        self, stretches: Stretches, ids: IntArray, rows: IntArray, counts: IntArray
    ) -> IntArray | None:
        """RETURNS (Optional[IntArray]): `(N,)` the token types of the texts' pieces. None if the
        tokenizer gives none, or only zeros for what is there: encoders take that for granted."""
        kinds = numpy.unique(stretches.frames).tolist()
        used = [self.frames[kind] for kind in kinds]
        if not self.frames.has_types or not any(
            any(frame.before_types) or any(frame.after_types) or frame.piece_type for frame in used
        ):
            return None
        types = numpy.zeros_like(ids)
        piece_types = numpy.asarray([frame.piece_type for frame in self.frames.frames])
        types[rows] = numpy.repeat(piece_types[stretches.frames], counts)
        return types


def _may_be_blank(texts: Texts, pieces: Pieces) -> IntArray:
    """RETURNS (IntArray): `(n_texts,)` (bool) the texts that need a piece: without special tokens
    a window of nothing could not be encoded."""
    following = numpy.append(pieces.lengths[1:], 0)
    return (texts.frames == SINGLE) | ((texts.frames == FIRST) & (following == 0))


def _bounds(counts: IntArray) -> IntArray:
    """RETURNS (IntArray): `(n + 1,)` where each of n parts begins, and the end."""
    return numpy.concatenate([[0], numpy.cumsum(counts)]).astype("int64")


def _within(counts: IntArray) -> IntArray:
    """RETURNS (IntArray): 0, 1, ... for each of n parts of so many."""
    return numpy.arange(int(counts.sum())) - numpy.repeat(numpy.cumsum(counts) - counts, counts)


def _separator_rows(
    table: PieceTable, stretches: Stretches, stretch_rows: IntArray, before: IntArray
) -> tuple[IntArray, IntArray]:
    """RETURNS (Tuple[IntArray, IntArray]): The separator's token, and a row of a special token that
    stands between the two texts of its pair, for every such row."""
    seconds = numpy.flatnonzero(stretches.frames == SECOND)
    docs = table.texts.docs[stretches.texts[seconds]]
    places = numpy.asarray([table.texts.separators[doc] for doc in docs.tolist()], dtype="int64")
    chars = table.tokens.doc_chars[docs] + places
    token = numpy.searchsorted(table.tokens.ends, chars, side="right")
    sizes = before[seconds]
    rows = numpy.repeat(stretch_rows[seconds], sizes) + _within(sizes)
    return numpy.repeat(token, sizes), rows


def _token_bounds(
    table: PieceTable, stretches: Stretches, window_docs: IntArray, opens: IntArray
) -> list[tuple[int, int, int]]:
    bounds = []
    begins, ends, kinds = (x[opens] for x in (stretches.begins, stretches.ends, stretches.frames))
    for doc, begin, end, kind in zip(
        window_docs.tolist(), begins.tolist(), ends.tolist(), kinds.tolist(), strict=True
    ):
        offset = int(table.tokens.doc_tokens[doc])
        if begin == end or kind == FIRST:
            bounds.append((doc, 0, int(table.tokens.doc_tokens[doc + 1]) - offset))
        else:
            first, last = int(table.first[begin]), int(table.last[end - 1])
            bounds.append((doc, first - offset, last + 1 - offset))
    return bounds
