"""The bytes of a DocBin, checked: spaCy trusts them, and fails far away or not at all."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy
import srsly
from spacy.attrs import (
    DEP,
    ENT_ID,
    ENT_IOB,
    ENT_KB_ID,
    ENT_TYPE,
    IDS,
    LEMMA,
    MORPH,
    NORM,
    ORTH,
    POS,
    SENT_START,
    TAG,
)
from spacy.parts_of_speech import NAMES as POS_NAMES
from spacy.tokens import DocBin
from spacy.vocab import Vocab

from ..files.writing import open_file

# Zeros shrink to a thousandth, texts to a twentieth, the same text again and again to a hundredth.
_MAX_RATIO = 600
# So much may any file hold.
_FREE_BYTES = 1 << 26
_BLOCK = 1 << 20

_NAMES = {number: name for name, number in IDS.items()}
_STRINGS = (ORTH, NORM, LEMMA, TAG, DEP, ENT_TYPE, ENT_KB_ID, ENT_ID, MORPH)
_INSIDE, _BEGIN = 1, 3
_ALLOWED = {
    POS: set(POS_NAMES),
    ENT_IOB: {0, 1, 2, 3},
    # -1 as an unsigned number.
    SENT_START: {0, 1, 2**64 - 1},
}


def wrong(path: Path, found: str, expected: str) -> ValueError:
    """Make the error for a file that is not a DocBin, or a damaged one.

    path (Path): The file.
    found (str): What is in it.
    expected (str): What should be.
    RETURNS (ValueError): The error, to be raised by the caller.
    """
    return ValueError(
        f"{path}: found a file that is not a readable DocBin ({found}), expected {expected}, as "
        "`dlfa convert` or spaCy's DocBin.to_disk writes it. Fix: convert the corpus again."
    )


def load_docbin(path: Path) -> DocBin:
    """Read a DocBin whose parts fit together.

    path (Path): The file.
    RETURNS (DocBin): It. That its numbers stand for strings is checked by `check_strings`.
    RAISES (ValueError): If the file is not a DocBin, or far larger than it looks.
    """
    data = _unpack(path)
    try:
        message = srsly.msgpack_loads(data)
    except Exception as error:
        # msgpack has several kinds of its own.
        reason = str(error) or type(error).__name__
        raise wrong(path, reason[:200], "one message of msgpack") from error
    if not isinstance(message, dict):
        raise wrong(path, f"a {type(message).__name__}", "its parts by their names")
    return _assemble(path, message)


def _unpack(path: Path) -> bytes:
    unpacker = zlib.decompressobj()
    limit = max(_FREE_BYTES, _MAX_RATIO * path.stat().st_size)
    blocks: list[bytes] = []
    size = 0
    try:
        with open_file(path) as file_:
            while block := file_.read(_BLOCK):
                while block:
                    blocks.append(unpacker.decompress(block, _BLOCK))
                    size += len(blocks[-1])
                    if size > limit:
                        raise wrong(
                            path,
                            f"more than {limit:,} bytes packed in {path.stat().st_size:,}",
                            f"no more than {_MAX_RATIO} times the file",
                        )
                    block = unpacker.unconsumed_tail
        blocks.append(unpacker.flush())
    except zlib.error as error:
        raise wrong(path, str(error), "bytes packed by zlib") from error
    if not unpacker.eof or unpacker.unused_data:
        raise wrong(path, "a file cut off or continued", "the end where the packed bytes end")
    return b"".join(blocks)


def _is_cats(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(label, str) and isinstance(number, int | float) and math.isfinite(number)
        for label, number in value.items()
    )


_PARTS: dict[str, tuple[Callable[[Any], bool], str, Any]] = {
    "cats": (_is_cats, "labels and finite numbers", None),
    "flags": (lambda value: isinstance(value, dict), "a dict", {}),
    "span_groups": (lambda value: isinstance(value, bytes), "bytes", b""),
    "user_data": (lambda value: value is None or isinstance(value, bytes), "bytes", None),
}


def _assemble(path: Path, message: dict[str, Any]) -> DocBin:
    attrs = _attrs(path, message.get("attrs"))
    strings = message.get("strings")
    if not isinstance(strings, list) or not all(isinstance(one, str) for one in strings):
        raise wrong(path, "no list of strings", "'strings'")
    lengths = _array(path, message, "lengths", "int32").astype("int64")
    spaces = _array(path, message, "spaces", "bool")
    tokens = _array(path, message, "tokens", "uint64")
    total = int(lengths.sum())
    if (lengths < 0).any() or total != len(spaces) or total * len(attrs) != len(tokens):
        raise wrong(
            path,
            f"lengths that sum to {total}, {len(spaces)} spaces and {len(tokens)} numbers",
            f"as many tokens in each, of {len(attrs)} numbers",
        )
    doc_bin = DocBin(store_user_data=True)
    # Annotated as strings; spaCy keeps numbers.
    doc_bin.attrs = cast(Any, attrs)
    doc_bin.strings = set(strings)
    ends = numpy.cumsum(lengths).tolist()
    bounds = list(zip([0, *ends[:-1]], ends, strict=True)) if ends else []
    table, column = tokens.reshape(-1, len(attrs)), spaces.reshape(-1, 1)
    doc_bin.tokens = [table[begin:end] for begin, end in bounds]
    doc_bin.spaces = [column[begin:end] for begin, end in bounds]
    for name, (fits, expected, default) in _PARTS.items():
        # Files of older versions have no flags and no spans; files without user data have none.
        values = message.get(name, [default] * len(bounds) if name != "cats" else None)
        if not isinstance(values, list) or len(values) != len(bounds):
            raise wrong(path, f"'{name}' for another number of Docs", f"a list of {len(bounds)}")
        for number, value in enumerate(values):
            if not fits(value):
                raise wrong(path, f"'{name}' of Doc {number}", expected)
        setattr(doc_bin, name, values)
    return doc_bin


def _attrs(path: Path, attrs: Any) -> list[int]:
    known = isinstance(attrs, list) and all(isinstance(one, int) and one in _NAMES for one in attrs)
    if not known or ORTH not in attrs or len(set(attrs)) < len(attrs):
        raise wrong(path, f"the attributes {str(attrs)[:80]}", "spaCy's numbers, ORTH among them")
    return list(attrs)


def _array(path: Path, message: dict[str, Any], name: str, dtype: str) -> numpy.ndarray:
    data = message.get(name)
    if not isinstance(data, bytes) or len(data) % numpy.dtype(dtype).itemsize:
        raise wrong(path, f"no array of {dtype}", f"'{name}'")
    if dtype == "bool" and data.strip(b"\0\1"):
        raise wrong(path, "other bytes than 0 and 1", f"'{name}'")
    return numpy.frombuffer(data, dtype=dtype)


def check_strings(path: Path, doc_bin: DocBin, vocab: Vocab) -> None:
    """Check that every number in a DocBin stands for something.

    path (Path): The file.
    doc_bin (DocBin): What is in it. Its strings are added to the vocab.
    vocab (Vocab): The vocab that its Docs get.
    RAISES (ValueError): A number stands for no string of the file, no part of speech, or the like.
    """
    for string in doc_bin.strings:
        vocab.strings.add(string)
    if not doc_bin.tokens:
        return
    if ENT_IOB in doc_bin.attrs:
        _check_entities(path, doc_bin, doc_bin.attrs.index(ENT_IOB))
    table = numpy.concatenate(doc_bin.tokens)
    for place, attr in enumerate(doc_bin.attrs):
        column = table[:, place]
        if attr not in _ALLOWED and attr not in _STRINGS or not len(column):
            continue
        # Most columns of most corpora are all alike.
        found = [column[0]] if (column == column[0]).all() else numpy.unique(column)
        known: Any = _ALLOWED.get(attr, vocab.strings)
        for number in map(int, found):
            if number not in known:
                raise wrong(
                    path, f"{_NAMES[attr]} = {number}, which stands for nothing", "known values"
                )


def _check_entities(path: Path, doc_bin: DocBin, place: int) -> None:
    """RAISES (ValueError): An entity continues that has not begun."""
    for number, tokens in enumerate(doc_bin.tokens):
        iob = tokens[:, place]
        inside = iob == _INSIDE
        if inside.any():
            before = numpy.concatenate([[0], iob[:-1]])
            if (inside & (before != _INSIDE) & (before != _BEGIN)).any():
                raise wrong(path, f"I without B in Doc {number}", "entities that begin with B")
