"""The input, cut into shards that are annotated one by one, in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import lines, parquet_input
from .pieces import Piece
from .records import Record
from .settings import AnnotationSettings
from .sources import PARQUET, Source

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Shard:
    """Rows of a file that lie behind each other.

    name (str): Its name: the same whenever the same files are cut by the same settings.
    source (Source): The file.
    piece (Piece): Where in it.
    """

    name: str
    source: Source
    piece: Piece


@dataclass(frozen=True)
class Scanned:
    """A file that was read once, to know what is in it.

    name (str): The file.
    size (int): Bytes.
    sha256 (str): Hash of its content.
    rows (int): Its rows.
    """

    name: str
    size: int
    sha256: str
    rows: int


def scan(number: int, source: Source, settings: AnnotationSettings) -> tuple[Scanned, list[Shard]]:
    """Read a file, and cut it. What stays in memory is where shards begin, and no text.

    number (int): The file's place among all.
    source (Source): The file.
    settings (AnnotationSettings): The columns and the size of a shard.
    RETURNS (Tuple[Scanned, List[Shard]]): What the file is, and its shards.
    RAISES (ValueError): The file cannot be read, or a column is not there.
    """
    if source.kind == PARQUET:
        parquet_input.check_columns(source, settings)
        pieces, digest = list(parquet_input.cut(source, settings)), _digest(source.path)
    else:
        lines.check_columns(source, settings)
        seen = hashlib.sha256()
        pieces, digest = list(lines.cut(source, settings.shard_size, seen)), seen.hexdigest()
    shards = [
        Shard(f"part-{number:05}-{place:06}", source, piece) for place, piece in enumerate(pieces)
    ]
    rows = sum(piece.rows for piece in pieces)
    return Scanned(source.name, source.path.stat().st_size, digest, rows), shards


def read(shard: Shard, settings: AnnotationSettings) -> Iterator[Record]:
    """Read a shard.

    shard (Shard): The shard.
    settings (AnnotationSettings): The columns.
    YIELDS (Record): Each row, those that cannot be read with the reason.
    RAISES (ValueError): The file is no longer what it was when it was cut.
    """
    reader = parquet_input.read if shard.source.kind == PARQUET else lines.read
    yield from reader(shard.source, shard.piece, settings)


def longest_first(shards: Sequence[Shard]) -> list[Shard]:
    """
    shards (Sequence[Shard]): Shards.
    RETURNS (List[Shard]): In an order in which no process works on alone in the end.
    """
    return sorted(shards, key=lambda shard: (-shard.piece.weight, shard.name))


def _digest(path: Path) -> str:
    seen = hashlib.sha256()
    with path.open("rb") as file_:
        while block := file_.read(_BLOCK):
            seen.update(block)
    return seen.hexdigest()
