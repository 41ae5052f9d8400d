"""Spans cut by a wordpiece budget: the unit in which an encoder sees a long Doc."""

from collections.abc import Sequence
from typing import Any

import numpy
from spacy.tokens import Doc, Span

from ...types import IntArray
from .alignment import TokenTable, tokens_of_pieces
from .pieces import PieceTokenizer

# How the two texts of a pair are encoded.
TOGETHER, APART = "together", "apart"


class WordpieceSpans:
    """A span getter that counts wordpieces, not tokens.

    window (int): Wordpieces in a span at the most, special tokens not counted.
    stride (int): Wordpieces between the starts of two spans; less than the window makes spans
        overlap, so that every token has context on both sides.
    pairs (str): "together" or "apart", see `wordpiece_spans_v1`.

    `dlfa_spacy.TransformerModel.v1` binds its tokenizer to the getter, encodes each Doc once and
    cuts the encoding, instead of encoding the text of every span.
    """

    def __init__(self, window: int = 126, stride: int = 96, pairs: str = TOGETHER):
        if not 0 < stride <= window:
            raise ValueError(
                f"[components.transformer.model.get_spans] window = {window}, stride = {stride}: "
                "expected 0 < stride <= window (in wordpieces). Fix: window = 126, stride = 96."
            )
        if pairs not in (TOGETHER, APART):
            raise ValueError(
                f'[components.transformer.model.get_spans] pairs = "{pairs}": expected '
                f'"{TOGETHER}" or "{APART}". Fix: pairs = "{TOGETHER}".'
            )
        self.window = window
        self.stride = stride
        self.pairs = pairs
        self.tokenizer: PieceTokenizer | None = None

    def bind(self, tokenizer: PieceTokenizer) -> None:
        """Tell the getter whose wordpieces to count."""
        self.tokenizer = tokenizer

    def __call__(self, docs: Sequence[Doc]) -> list[list[Span]]:
        docs = list(docs)
        if self.tokenizer is None:
            raise ValueError(
                "dlfa_spacy.wordpiece_spans.v1 does not know the tokenizer whose wordpieces it "
                "counts. Fix: use it in a dlfa_spacy.TransformerModel.v1, which binds its own "
                "([components.transformer.model] @architectures)."
            )
        pieces = self.tokenizer([doc.text for doc in docs])
        tokens = TokenTable(docs)
        spans: list[list[Span]] = []
        end = 0
        for i, doc in enumerate(docs):
            begin, end = end, end + int(pieces.lengths[i])
            first, last = tokens_of_pieces(
                tokens,
                pieces.starts[begin:end] + tokens.doc_chars[i],
                pieces.ends[begin:end] + tokens.doc_chars[i],
            )
            cuts = cut(first, last, self.window, self.stride)
            offset = tokens.doc_tokens[i]
            bounds = [(int(first[a] - offset), int(last[a:b].max() - offset) + 1) for a, b in cuts]
            spans.append([doc[a:b] for a, b in bounds if a < b])
        return spans

    def __reduce__(self) -> tuple[Any, ...]:
        # Without the tokenizer: whoever loads the getter binds its own.
        return (WordpieceSpans, (self.window, self.stride, self.pairs))


def wordpiece_spans_v1(
    window: int = 126, stride: int = 96, pairs: str = TOGETHER
) -> WordpieceSpans:
    """Spans of at most `window` wordpieces, cut between tokens.

    window (int): Wordpieces in a span, special tokens not counted. 126 is XTREME's 128.
    stride (int): Wordpieces between two spans' starts; equal to the window means no overlap.
    pairs (str): "together" encodes the two texts of a pair in one window, as Hugging Face does:
        what an encoder that is fine-tuned on pairs needs. "apart" encodes each as a text of its
        own, for `sequence = "pair"` on an encoder that compares texts by their vectors.
    CREATES: A span getter for `dlfa_spacy.TransformerModel.v1`. A single token over the budget is
        windowed inside the encoder: nothing is truncated.

    ```ini
    [components.transformer.model.get_spans]
    @span_getters = "dlfa_spacy.wordpiece_spans.v1"
    window = 126
    stride = 96
    ```
    """
    return WordpieceSpans(window, stride, pairs)


def cut(first: IntArray, last: IntArray, window: int, stride: int) -> list[tuple[int, int]]:
    """Cut one text's pieces into windows, between tokens wherever possible.

    first, last (IntArray): `(N,)` the tokens that each piece overlaps (see `tokens_of_pieces`).
    window (int): Pieces in a window at the most.
    stride (int): Pieces between two windows' starts.
    RETURNS (List[Tuple[int, int]]): Piece offsets [begin, end) of each window, none for no pieces.
        Every piece is in at least one; a window ends inside a token only where that token alone
        fills it.
    """
    total = len(first)
    if total == 0:
        return []
    if total <= window:
        return [(0, total)]
    # A cut before piece p splits no token where no earlier piece reaches p's first token.
    reached = numpy.maximum.accumulate(numpy.where(last >= first, last, -1))
    splits = numpy.flatnonzero(numpy.concatenate([[True], first[1:] > reached[:-1], [True]]))
    cuts: list[tuple[int, int]] = []
    begin = 0
    while True:
        end = _last_split(splits, begin + window)
        if end <= begin:
            # A token that alone is longer than the window: cut inside, it has no better place.
            end = begin + window
            cuts.append((begin, end))
            begin = min(begin + stride, end)
            continue
        cuts.append((begin, end))
        if end == total:
            return cuts
        following = _last_split(splits, begin + stride)
        if following <= begin:
            following = _first_split(splits, begin + 1)
        # The next window must hold what comes after this one, up to the next split: overlap less
        # rather than read the same pieces twice for nothing.
        reach = _first_split(splits, end + 1) - window
        begin = min(_first_split(splits, max(following, reach)), end)


def _last_split(splits: IntArray, limit: int) -> int:
    """RETURNS (int): The last place to cut up to `limit`."""
    return int(splits[numpy.searchsorted(splits, limit, side="right") - 1])


def _first_split(splits: IntArray, limit: int) -> int:
    """RETURNS (int): The first place to cut from `limit` on."""
    return int(splits[numpy.searchsorted(splits, limit, side="left")])
