"""From texts to wordpieces with character offsets."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
from spacy_alignments import get_alignments
from transformers import PreTrainedTokenizerBase

from ...types import IntArray
from .frames import SINGLE, Frames, find_frames


@dataclass
class Pieces:
    """The wordpieces of some texts, one after the other, without special tokens.

    ids (IntArray): `(N,)` vocabulary ids.
    starts, ends (IntArray): `(N,)` character offsets within each piece's own text.
    lengths (IntArray): `(n_texts,)`, sums to N.
    """

    ids: IntArray
    starts: IntArray
    ends: IntArray
    lengths: IntArray

    def with_blanks(self, texts: IntArray, blank_id: int) -> "Pieces":
        """RETURNS (Pieces): With one piece, of no character, in every text of `texts`
        `(n_texts,)` (bool) that has none."""
        begins = numpy.cumsum(self.lengths) - self.lengths
        blank = texts & (self.lengths == 0)
        places = begins[blank]
        return Pieces(
            numpy.insert(self.ids, places, blank_id),
            numpy.insert(self.starts, places, 0),
            numpy.insert(self.ends, places, 0),
            numpy.where(blank, 1, self.lengths),
        )


class PieceTokenizer:
    """Calls a Hugging Face tokenizer once per batch and keeps arrays instead of strings.

    tokenizer (PreTrainedTokenizerBase): A fast one gives offsets. A slow one does not: its pieces
        are compared with the text, byte by byte where they are bytes, word by word where a text's
        pieces are those of its words. The ids are the tokenizer's own in any case.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.tokenizer = tokenizer

    @cached_property
    def frames(self) -> Frames:
        """The special tokens around a text and around a pair."""
        return find_frames(self.tokenizer)

    @property
    def special_ids(self) -> tuple[list[int], list[int]]:
        """The special tokens before and after a single text ([CLS] and [SEP] for BERT)."""
        return self.frames[SINGLE].before, self.frames[SINGLE].after

    @property
    def is_fast(self) -> bool:
        return bool(self.tokenizer.is_fast)

    def __call__(self, texts: list[str]) -> Pieces:
        if not texts:
            empty = numpy.zeros((0,), dtype="int64")
            return Pieces(empty, empty, empty, empty)
        if not self.tokenizer.is_fast:
            return _join([self._slow(text) for text in texts])
        encoded = self.tokenizer(
            texts,
            add_special_tokens=False,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            return_offsets_mapping=True,
            # Longer than the model allows is expected here: windows are cut later.
            verbose=False,
        )
        lengths = numpy.fromiter((len(ids) for ids in encoded["input_ids"]), dtype="int64")
        total = int(lengths.sum())
        ids = numpy.fromiter((i for row in encoded["input_ids"] for i in row), "int64", total)
        offsets = numpy.fromiter(
            (x for row in encoded["offset_mapping"] for pair in row for x in pair),
            "int64",
            2 * total,
        ).reshape(total, 2)
        return Pieces(ids, offsets[:, 0], offsets[:, 1], lengths)

    def _slow(self, text: str) -> tuple[list[int], list[int], list[int]]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        offsets = self._by_byte(text, ids)
        if offsets is None:
            offsets = self._by_word(text, ids)
        if offsets is None:
            offsets = self._compared(text, ids)
        trimmed = [_without_blanks(text, start, end) for start, end in offsets]
        return ids, [start for start, _ in trimmed], [end for _, end in trimmed]

    def _by_byte(self, text: str, ids: list[int]) -> list[tuple[int, int]] | None:
        """RETURNS: Which characters each piece stands for, if the pieces are the bytes of the text,
        as those of GPT-2 and RoBERTa are, perhaps with a blank before it."""
        pieces = self._bytes(ids)
        if pieces is None:
            return None
        known = text.encode("utf-8")
        joined = b"".join(pieces)
        blanks = len(joined) - len(known)
        if joined not in (known, b" " + known):
            return None
        sizes = [len(character.encode("utf-8")) for character in text]
        characters = [0] * blanks + [i for i, size in enumerate(sizes) for _ in range(size)]
        offsets: list[tuple[int, int]] = []
        end = 0
        for piece in pieces:
            start, end = end, end + len(piece)
            # The blank that the tokenizer added is no character of the text.
            stop = characters[end - 1] + 1 if end > blanks else 0
            offsets.append((characters[start] if start < end else stop, stop))
        return offsets

    def _bytes(self, ids: list[int]) -> list[bytes] | None:
        """RETURNS: The bytes of each piece; None if the vocabulary is not one of bytes."""
        byte_of: dict[str, int] | None = getattr(self.tokenizer, "byte_decoder", None)
        if byte_of is None:
            return None
        added = self.tokenizer.added_tokens_encoder
        pieces = []
        for piece in self.tokenizer.convert_ids_to_tokens(ids):
            if piece in added:
                pieces.append(piece.encode("utf-8"))
            elif all(letter in byte_of for letter in piece):
                pieces.append(bytes(byte_of[letter] for letter in piece))
            else:
                return None
        return pieces

    def _by_word(self, text: str, ids: list[int]) -> list[tuple[int, int]] | None:
        """RETURNS: Which characters each piece stands for, found word by word; None if the pieces
        of a text are not those of its words."""
        found: list[int] = []
        offsets: list[tuple[int, int]] = []
        position = 0
        for word in text.split():
            start = text.index(word, position)
            position = start + len(word)
            word_ids = self.tokenizer(word, add_special_tokens=False, verbose=False)["input_ids"]
            found.extend(word_ids)
            if found != ids[: len(found)]:
                return None
            offsets.extend((start + a, start + b) for a, b in self._compared(word, word_ids))
        return offsets if found == ids else None

    def _compared(self, text: str, ids: list[int]) -> list[tuple[int, int]]:
        """RETURNS: Which characters each piece stands for, found by comparing strings."""
        _, chars_of_piece = get_alignments(list(text), self._strings(ids))
        offsets: list[tuple[int, int]] = []
        for i, chars in enumerate(chars_of_piece):
            if chars:
                offsets.append((chars[0], chars[-1] + 1))
            else:
                start = offsets[-1][1] if offsets else 0
                end = next((later[0] for later in chars_of_piece[i + 1 :] if later), len(text))
                offsets.append((start, max(start, end)))
        return offsets

    def _strings(self, ids: list[int]) -> list[str]:
        unknown = self.tokenizer.unk_token
        pieces = self.tokenizer.convert_ids_to_tokens(ids)
        as_bytes = self._bytes(ids)
        if as_bytes is not None:
            texts = [piece.decode("utf-8", "ignore") for piece in as_bytes]
        else:
            texts = [piece.removeprefix("##").removeprefix("\u2581") for piece in pieces]
        # An unknown piece tells nothing; it gets what its neighbors leave.
        return ["" if p == unknown else text for p, text in zip(pieces, texts, strict=True)]

    @property
    def blank_id(self) -> int:
        """The piece that stands for a text without pieces, for encoders without special tokens."""
        known = self.tokenizer
        ids = (known.unk_token_id, known.pad_token_id, known.eos_token_id, 0)
        return int(next(i for i in ids if i is not None))


def count_pieces(tokenizer: PreTrainedTokenizerBase) -> int:
    """RETURNS (int): `len(tokenizer)`, for which a fast one would make a copy of its vocabulary."""
    if not tokenizer.is_fast:
        return len(tokenizer)
    backend: Any = tokenizer.backend_tokenizer
    added = {str(token) for token in tokenizer.added_tokens_decoder.values()}
    known = backend.model.token_to_id
    behind = sum(known(piece) is None for piece in added)
    return int(backend.get_vocab_size(with_added_tokens=False)) + behind


def _without_blanks(text: str, start: int, end: int) -> tuple[int, int]:
    """RETURNS (Tuple[int, int]): As RoBERTa's fast tokenizer trims offsets: a piece with the blank
    before a word stands for the word, and one of blanks alone for nothing."""
    while start < end and text[start] == " ":
        start += 1
    while start < end and text[end - 1] == " ":
        end -= 1
    return start, end


def _join(rows: list[tuple[list[int], list[int], list[int]]]) -> Pieces:
    columns = [numpy.fromiter((x for row in rows for x in row[i]), dtype="int64") for i in range(3)]
    lengths = numpy.fromiter((len(row[0]) for row in rows), dtype="int64")
    return Pieces(columns[0], columns[1], columns[2], lengths)
