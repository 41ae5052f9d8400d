"""Cuts a sentence pair that is longer than the encoder where no link would be cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from spacy.tokens import Doc

from ..encoder.segment.alignment import TokenTable, align_pieces, tokens_of_pieces
from ..encoder.segment.pieces import PieceTokenizer
from ..types import IntArray
from .pair import SentencePair


def word_sizes(docs: Sequence[Doc], tokenizer: PieceTokenizer) -> list[IntArray]:
    """Count wordpieces.

    docs (Sequence[Doc]): The texts.
    tokenizer (PieceTokenizer): The encoder's.
    RETURNS (List[IntArray]): For each Doc, the wordpieces of each of its words.
    """
    tokens = TokenTable(docs)
    pieces = tokenizer([doc.text for doc in docs])
    offsets = numpy.repeat(tokens.doc_chars, pieces.lengths)
    first, last = tokens_of_pieces(tokens, pieces.starts + offsets, pieces.ends + offsets)
    align = align_pieces(first, last, numpy.arange(len(first)), len(tokens))
    lengths = numpy.asarray(align.lengths)
    return numpy.split(lengths, tokens.doc_tokens[1:-1]) if docs else []


def cut_pair(
    pair: SentencePair, source_sizes: Sequence[int], target_sizes: Sequence[int], room: int
) -> list[SentencePair]:
    """Cut a pair into parts that are translations of each other as far as links tell: a cut stands
    before two linked words, and no link crosses it.

    pair (SentencePair): The pair. Without links there is no place to cut it.
    source_sizes, target_sizes (Sequence[int]): Wordpieces of each word.
    room (int): Wordpieces of a side at once.
    RETURNS (List[SentencePair]): The parts, each as long as fits. A part between two places to cut
        may still be longer than that: it stays whole.
    """
    before = [
        numpy.concatenate([[0], numpy.cumsum(sizes)]) for sizes in (source_sizes, target_sizes)
    ]
    end = (len(pair.source_words), len(pair.target_words))
    parts = []
    start = last = (0, 0)
    for place in [*_places(pair), end]:
        if last != start and not _fits(before, start, place, room):
            parts.append(_part(pair, start, last))
            start = last
        last = place
    if last != start or not parts:
        parts.append(_part(pair, start, last))
    return parts


def _places(pair: SentencePair) -> list[tuple[int, int]]:
    """RETURNS (List[Tuple[int, int]]): Where both sides can be cut, from left to right."""
    links = sorted(set(pair.links))
    if len(links) < 2:
        return []
    source, target = numpy.asarray(links).T
    highest = numpy.maximum.accumulate(target)[:-1]
    lowest = numpy.minimum.accumulate(target[::-1])[::-1][1:]
    clean = (highest < lowest) & (source[:-1] < source[1:])
    return [(int(source[i + 1]), int(lowest[i])) for i in numpy.flatnonzero(clean)]


def _fits(before: list[IntArray], start: tuple[int, int], end: tuple[int, int], room: int) -> bool:
    return all(int(before[i][end[i]] - before[i][start[i]]) <= room for i in (0, 1))


def _part(pair: SentencePair, start: tuple[int, int], end: tuple[int, int]) -> SentencePair:
    links = [
        (source - start[0], target - start[1])
        for source, target in pair.links
        if start[0] <= source < end[0]
    ]
    return SentencePair(
        pair.language,
        pair.source_words[start[0] : end[0]],
        pair.target_words[start[1] : end[1]],
        links,
        _text(pair.source_text, pair.source_words, start[0], end[0]),
        _text(pair.target_text, pair.target_words, start[1], end[1]),
    )


def _text(text: str, words: list[str], start: int, end: int) -> str:
    """RETURNS (str): The stretch of the text that some of its words fill."""
    position = begin = 0
    for i, word in enumerate(words[:end]):
        found = text.index(word, position)
        begin = found if i == start else begin
        position = found + len(word)
    return text[begin:position] if start < end else ""
