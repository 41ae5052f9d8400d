"""Where in a file the rows of a shard lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A part of a file.

    first (int): Number of its first row or line, from 1.
    rows (int): How many rows it has, without blank lines of JSONL.
    begin, end (int): Where it lies: in bytes, or in rows of Parquet.
    weight (int): How long it takes, roughly, compared with others: bytes of text.
    """

    first: int
    rows: int
    begin: int
    end: int
    weight: int
