"""Parquet: rows found again by their number, and read a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..checks import check_installed
from .lines import check_names
from .pieces import Piece
from .records import Record
from .settings import AnnotationSettings
from .sources import Source

_ROWS_AT_ONCE = 256


def require_pyarrow() -> Any:
    """RETURNS (Any): The module `pyarrow.parquet`.
    RAISES (ImportError): It is not installed.
    """
    check_installed("pyarrow", "parquet", "Parquet")
    import pyarrow.parquet

    return pyarrow.parquet


@contextmanager
def open_parquet(source: Source) -> Iterator[Any]:
    """
    source (Source): The file.
    YIELDS (Any): It, open.
    RAISES (ValueError): It is no Parquet, or was cut off.
    """
    parquet = require_pyarrow()
    import pyarrow

    try:
        with parquet.ParquetFile(source.path) as file_:
            yield file_
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(
            f"IN {source.path}: found a file that cannot be read ({error}), expected Parquet. Fix: "
            "copy it again; if it is something else, rename it."
        ) from error


def check_columns(source: Source, settings: AnnotationSettings) -> None:
    """
    source (Source): The file.
    settings (AnnotationSettings): The columns.
    RAISES (ValueError): One is not there.
    """
    with open_parquet(source) as file_:
        check_names(source, list(file_.schema_arrow.names), settings)


def cut(source: Source, settings: AnnotationSettings) -> Iterator[Piece]:
    """Cut a file into pieces that do not cross a row group.

    source (Source): The file.
    settings (AnnotationSettings): The text's column and the size of a shard.
    YIELDS (Piece): The pieces.
    """
    size = settings.shard_size
    with open_parquet(source) as file_:
        metadata, begin = file_.metadata, 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = [group.column(place) for place in range(group.num_columns)]
            n_bytes = sum(
                column.total_uncompressed_size
                for column in columns
                if column.path_in_schema == settings.text_column
            )
            end = begin + group.num_rows
            for first in range(begin, end, size):
                rows = min(size, end - first)
                weight = n_bytes * rows // group.num_rows
                yield Piece(first + 1, rows, first, first + rows, weight)
            begin = end


def read(source: Source, piece: Piece, settings: AnnotationSettings) -> Iterator[Record]:
    """Read a piece.

    source (Source): The file.
    piece (Piece): The piece.
    settings (AnnotationSettings): The columns: no others are read.
    YIELDS (Record): Its rows.
    """
    with open_parquet(source) as file_:
        wanted = {settings.text_column, settings.id_name, *settings.keep}
        columns = [name for name in file_.schema_arrow.names if name in wanted]
        metadata, begin = file_.metadata, 0
        for group in range(metadata.num_row_groups):
            end = begin + metadata.row_group(group).num_rows
            if begin <= piece.begin < end:
                break
            begin = end
        # What lies before the piece in its group is decoded too, and forgotten: a group cannot be
        # entered in its middle.
        for batch in file_.iter_batches(
            batch_size=_ROWS_AT_ONCE, row_groups=[group], columns=columns
        ):
            low, high = max(piece.begin - begin, 0), min(piece.end - begin, batch.num_rows)
            if low < high:
                for place, values in enumerate(batch.slice(low, high - low).to_pylist()):
                    yield Record(source.name, begin + low + place + 1, values)
            begin += batch.num_rows
            if begin >= piece.end:
                break
