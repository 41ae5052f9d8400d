"""The input of an encoder: packed wordpieces of a batch of Docs, and which token owns which row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from spacy.tokens import Doc, Span
from thinc.types import Ragged

from ..types import IntArray
from .alignment import TokenTable, align_pieces, tokens_of_pieces
from .pieces import Pieces, PieceTokenizer
from .spans import WordpieceSpans, cut

SpanGetter = Callable[[list[Doc]], list[list[Span]]]


@dataclass
class Windows:
    """What an encoder reads: windows one after the other, special tokens included, no padding.

    ids (IntArray): `(N,)` wordpiece ids.
    lengths (IntArray): `(W,)` wordpieces of each window, sums to N.
    doc_windows (IntArray): `(B,)` windows of each Doc, sums to W. 0 for an empty Doc.
    doc_rows (IntArray): `(B + 1,)` where each Doc's rows begin, of N.
    doc_tokens (IntArray): `(B + 1,)` where each Doc's tokens begin.
    align (Ragged): For each token of the batch the rows of its pieces.
    token_bounds (List[Tuple[int, int, int]]): Doc, first token and end token of each window.
    """

    ids: IntArray
    lengths: IntArray
    doc_windows: IntArray
    doc_rows: IntArray
    doc_tokens: IntArray
    align: Ragged
    token_bounds: list[tuple[int, int, int]]

    def doc_align(self, doc: int) -> Ragged:
        """RETURNS (Ragged): The alignment of one Doc, to rows counted from its own first row."""
        first, end = self.doc_tokens[doc], self.doc_tokens[doc + 1]
        begin = int(self.align.lengths[:first].sum()) if first else 0
        lengths = self.align.lengths[first:end]
        data = self.align.dataXd[begin : begin + int(lengths.sum())]
        return Ragged(data - int(self.doc_rows[doc]), lengths.copy())


def segment(
    docs: Sequence[Doc],
    get_spans: SpanGetter,
    tokenizer: PieceTokenizer,
    max_length: int,
) -> Windows:
    """Turn Docs into windows of wordpieces.

    docs (Sequence[Doc]): The batch.
    get_spans (SpanGetter): Which spans are encoded together.
    tokenizer (PieceTokenizer): The encoder's.
    max_length (int): Wordpieces the encoder reads at once, special tokens included. A longer span
        is cut into several windows: nothing is truncated.
    RETURNS (Windows): The packed input.
    """
    docs = list(docs)
    prefix, suffix = tokenizer.special_ids
    budget = max_length - len(prefix) - len(suffix)
    if budget < 1:
        raise ValueError(
            f"[components.transformer.model] The encoder reads {max_length} wordpieces at once, of "
            f"which {len(prefix) + len(suffix)} are special tokens: expected room for a wordpiece "
            "of the text. Fix: correct model_max_length ([components.transformer.model] "
            "tokenizer_config), or choose another encoder (name)."
        )
    tokens = TokenTable(docs)
    if isinstance(get_spans, WordpieceSpans):
        window = min(get_spans.window, budget)
        # Where the encoder reads less than the getter asks for, windows overlap as much in part.
        stride = max(1, get_spans.stride * window // get_spans.window)
        pieces = tokenizer([doc.text for doc in docs])
        text_docs = numpy.arange(len(docs))
        chars = tokens.doc_chars
    else:
        window = stride = budget
        texts = _span_texts(get_spans(docs))
        pieces = tokenizer([text for _, _, text in texts])
        text_docs = numpy.asarray([doc for doc, _, _ in texts], dtype="int64")
        begins = numpy.asarray([begin for _, begin, _ in texts], dtype="int64")
        chars = tokens.doc_chars[text_docs] + begins
    if not prefix and not suffix:
        pieces = pieces.with_blanks(tokenizer.blank_id)
    first, last = _piece_tokens(tokens, pieces, chars)
    begins, ends, window_texts = _cut_texts(docs, pieces, text_docs, first, last, window, stride)
    return _pack(
        docs, tokens, pieces, text_docs[window_texts], begins, ends, first, last, tokenizer
    )


def _span_texts(spans: list[list[Span]]) -> list[tuple[int, int, str]]:
    """RETURNS: Doc, first character and text of each span. A Doc without spans has one empty text,
    so that it has rows like any other."""
    texts: list[tuple[int, int, str]] = []
    for doc, doc_spans in enumerate(spans):
        texts.extend((doc, span.start_char, span.text) for span in doc_spans)
        if not doc_spans:
            texts.append((doc, 0, ""))
    return texts


def _piece_tokens(tokens: TokenTable, pieces: Pieces, chars: IntArray) -> tuple[IntArray, IntArray]:
    offsets = numpy.repeat(chars, pieces.lengths)
    return tokens_of_pieces(tokens, pieces.starts + offsets, pieces.ends + offsets)


def _cut_texts(
    docs: list[Doc],
    pieces: Pieces,
    text_docs: IntArray,
    first: IntArray,
    last: IntArray,
    window: int,
    stride: int,
) -> tuple[IntArray, IntArray, IntArray]:
    """RETURNS: Piece offsets [begin, end) of every window, and the text it comes from."""
    begins: list[int] = []
    ends: list[int] = []
    texts: list[int] = []
    text_begin = 0
    for text, length in enumerate(pieces.lengths.tolist()):
        text_end = text_begin + length
        if length <= window:
            # A text without pieces (white space) still is a window of its special tokens; an
            # empty Doc is none.
            cuts = [(0, length)] if len(docs[text_docs[text]]) else []
        else:
            cuts = cut(first[text_begin:text_end], last[text_begin:text_end], window, stride)
        begins.extend(text_begin + a for a, _ in cuts)
        ends.extend(text_begin + b for _, b in cuts)
        texts.extend([text] * len(cuts))
        text_begin = text_end
    return (
        numpy.asarray(begins, dtype="int64"),
        numpy.asarray(ends, dtype="int64"),
        numpy.asarray(texts, dtype="int64"),
    )


def _pack(
    docs: list[Doc],
    tokens: TokenTable,
    pieces: Pieces,
    window_docs: IntArray,
    begins: IntArray,
    ends: IntArray,
    first: IntArray,
    last: IntArray,
    tokenizer: PieceTokenizer,
) -> Windows:
    prefix, suffix = tokenizer.special_ids
    counts = ends - begins
    lengths = counts + len(prefix) + len(suffix)
    window_rows = numpy.concatenate([[0], numpy.cumsum(lengths)]).astype("int64")
    # Of every piece in every window: its index among all pieces, and its packed row.
    within = numpy.arange(int(counts.sum())) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
    source = numpy.repeat(begins, counts) + within
    rows = numpy.repeat(window_rows[:-1] + len(prefix), counts) + within
    ids = numpy.empty((int(window_rows[-1]),), dtype="int64")
    ids[rows] = pieces.ids[source]
    for i, special in enumerate(prefix):
        ids[window_rows[:-1] + i] = special
    for i, special in enumerate(suffix):
        ids[window_rows[1:] - len(suffix) + i] = special
    doc_windows = numpy.bincount(window_docs, minlength=len(docs))
    doc_ends = numpy.concatenate([[0], numpy.cumsum(doc_windows)])
    return Windows(
        ids=ids,
        lengths=lengths,
        doc_windows=doc_windows,
        doc_rows=window_rows[doc_ends],
        doc_tokens=tokens.doc_tokens,
        align=align_pieces(first[source], last[source], rows, len(tokens)),
        token_bounds=_token_bounds(tokens, window_docs, begins, ends, first, last),
    )


def _token_bounds(
    tokens: TokenTable,
    window_docs: IntArray,
    begins: IntArray,
    ends: IntArray,
    first: IntArray,
    last: IntArray,
) -> list[tuple[int, int, int]]:
    bounds = []
    for doc, begin, end in zip(window_docs.tolist(), begins.tolist(), ends.tolist(), strict=True):
        offset = int(tokens.doc_tokens[doc])
        if begin == end:
            bounds.append((doc, 0, int(tokens.doc_tokens[doc + 1]) - offset))
        else:
            bounds.append((doc, int(first[begin]) - offset, int(last[end - 1]) + 1 - offset))
    return bounds
