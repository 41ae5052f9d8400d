"""The texts of a batch that go to the tokenizer: of a Doc, of its spans, or the two of a pair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from spacy.tokens import Doc, Span

from ...pairs import REPLACEMENT, SEPARATOR, pair_bounds
from ...types import IntArray
from .frames import FIRST, SECOND, SINGLE
from .spans import APART, WordpieceSpans

SpanGetter = Callable[[list[Doc]], list[list[Span]]]


@dataclass
class Texts:
    """Texts in the order of their Docs.

    texts (List[str]): What the tokenizer reads.
    docs (IntArray): `(n_texts,)` the Doc of each.
    chars (IntArray): `(n_texts,)` where each begins in its Doc's text.
    frames (IntArray): `(n_texts,)` SINGLE, FIRST or SECOND. FIRST is always followed by its SECOND.
    separators (Dict[int, int]): Where the separator is in the text of each Doc that is a pair.
    """

    texts: list[str]
    docs: IntArray
    chars: IntArray
    frames: IntArray
    separators: dict[int, int]


def get_texts(docs: list[Doc], get_spans: SpanGetter) -> Texts:
    """Choose the texts of a batch.

    A span getter of ours counts wordpieces, which are cut later: a Doc's text stays whole. Any
    other getter names the spans. A pair is encoded together, unless our getter says otherwise.
    """
    doc_texts = [doc.text for doc in docs]
    separators = {i: text.index(SEPARATOR) for i, text in enumerate(doc_texts) if SEPARATOR in text}
    if isinstance(get_spans, WordpieceSpans):
        if not separators:
            zeros = numpy.zeros((len(docs),), dtype="int64")
            return Texts(doc_texts, numpy.arange(len(docs)), zeros, zeros, separators)
        spans = [[(0, text)] for text in doc_texts]
    else:
        spans = _spans(docs, separators, get_spans)
    apart = isinstance(get_spans, WordpieceSpans) and get_spans.pairs == APART
    rows: list[tuple[str, int, int, int]] = []
    for i, doc_spans in enumerate(spans):
        if i in separators:
            rows.extend(_pair(doc_texts[i], i, apart))
        else:
            rows.extend((text, i, begin, SINGLE) for begin, text in doc_spans)
    columns = [numpy.asarray([row[k] for row in rows], dtype="int64") for k in (1, 2, 3)]
    return Texts([row[0] for row in rows], columns[0], columns[1], columns[2], separators)


def _pair(text: str, doc: int, apart: bool) -> list[tuple[str, int, int, int]]:
    bounds = pair_bounds(text)
    assert bounds is not None
    end, begin = bounds
    # Another separator is no boundary: it is what `make_pair` would have made of it.
    second = text[begin:].replace(SEPARATOR, REPLACEMENT)
    frames = (SINGLE, SINGLE) if apart else (FIRST, SECOND)
    return [(text[:end], doc, 0, frames[0]), (second, doc, begin, frames[1])]


def _spans(
    docs: list[Doc], separators: dict[int, int], get_spans: SpanGetter
) -> list[list[tuple[int, str]]]:
    """RETURNS: First character and text of each span. A Doc without spans has one empty text, so
    that it has rows like any other."""
    singles = [i for i in range(len(docs)) if i not in separators]
    found: Sequence[list[Span]] = get_spans([docs[i] for i in singles]) if singles else []
    spans: list[list[tuple[int, str]]] = [[] for _ in docs]
    for i, doc_spans in zip(singles, found, strict=True):
        spans[i] = [(span.start_char, span.text) for span in doc_spans] or [(0, "")]
    return spans
