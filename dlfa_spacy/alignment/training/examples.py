"""Sentence pairs as wordpiece ids, tokenized once before training."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy.vocab import Vocab

from ...encoder.segment.alignment import TokenTable, align_pieces, tokens_of_pieces
from ...encoder.segment.pieces import PieceTokenizer
from ...parallel import SentencePair, pair_docs

_BATCH = 256


@dataclass(frozen=True)
class Text:
    """One side of a pair.

    text (str): As it was.
    ids (List[int]): Its wordpieces, without special tokens.
    words (List[Tuple[str, List[int]]]): Words that have wordpieces, and which.
    """

    text: str
    ids: list[int]
    words: list[tuple[str, list[int]]]


@dataclass(frozen=True)
class Example:
    """A pair ready for the encoder.

    language (str): Of the foreign side.
    source, target (Text): The foreign and the English side.
    links (List[Tuple[int, int]]): Counted among `words` of both sides.
    """

    language: str
    source: Text
    target: Text
    links: list[tuple[int, int]]


def make_examples(
    pairs: Iterable[SentencePair], tokenizer: PieceTokenizer, max_pieces: int
) -> list[Example]:
    """Tokenize pairs.

    pairs (Iterable[SentencePair]): The pairs.
    tokenizer (PieceTokenizer): The encoder's.
    max_pieces (int): Wordpieces of a side, special tokens not counted. A longer side loses its
        end, and the links into it; `ParallelCorpus(long_texts="window")` cuts it instead.
    RETURNS (List[Example]): Those of which both sides have wordpieces.
    """
    vocab = Vocab()
    examples = []
    for batch in minibatch(pairs, _BATCH):
        sides = [_texts(docs, tokenizer, max_pieces) for docs in pair_docs(batch, vocab)]
        for pair, (source, s), (target, t) in zip(batch, *sides, strict=True):
            if source.ids and target.ids:
                links = [(s[i], t[j]) for i, j in pair.links if i in s and j in t]
                examples.append(Example(pair.language, source, target, links))
    return examples


def _texts(
    docs: list[Doc], tokenizer: PieceTokenizer, max_pieces: int
) -> list[tuple[Text, dict[int, int]]]:
    """RETURNS: Each side, and where each of its words is among those that are left."""
    table, pieces = TokenTable(docs), tokenizer([doc.text for doc in docs])
    offsets = numpy.repeat(table.doc_chars, pieces.lengths)
    spans = tokens_of_pieces(table, pieces.starts + offsets, pieces.ends + offsets)
    aligned = align_pieces(*spans, numpy.arange(len(pieces.ids)), len(table))
    sizes = numpy.asarray(aligned.lengths, dtype="int64")
    ends = numpy.cumsum(sizes)
    rows = numpy.asarray(aligned.dataXd)
    begins = numpy.cumsum(pieces.lengths) - pieces.lengths
    texts = []
    for k, doc in enumerate(docs):
        begin, first = int(begins[k]), int(table.doc_tokens[k])
        ids = pieces.ids[begin : begin + int(pieces.lengths[k])][:max_pieces].tolist()
        words: list[tuple[str, list[int]]] = []
        places: dict[int, int] = {}
        for i, token in enumerate(doc):
            end = int(ends[first + i])
            own = (rows[end - int(sizes[first + i]) : end] - begin).tolist()
            if own and own[-1] < len(ids):
                places[i] = len(words)
                words.append((token.text, own))
        texts.append((Text(doc.text, ids, words), places))
    return texts
