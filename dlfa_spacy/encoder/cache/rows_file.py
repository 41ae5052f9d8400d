"""A file of half-precision rows: appended to by one process, memory-mapped by any."""

from pathlib import Path
from typing import BinaryIO, cast

import numpy

# `(n, E)` float16, little endian: the wordpieces of a text in one layer, without padding.
Rows = numpy.ndarray
ROW_TYPE = numpy.dtype("<f2")


class RowsFile:
    """Rows of one width, one text after the other, without header.

    path (Path): The file. It is made when something is appended.
    width (int): E.
    """

    def __init__(self, path: Path, width: int):
        self.path = path
        self.width = width
        self._written = 0
        self._file: BinaryIO | None = None
        self._mapped: Rows = numpy.zeros((0, width), ROW_TYPE)

    def append(self, rows: Rows) -> int:
        """RETURNS (int): The row at which they begin. They are in the file when this returns."""
        if self._file is None:
            self._file = cast(BinaryIO, self.path.open("r+b" if self._written else "xb"))
        # A write that failed before may have left a part of itself.
        self._file.seek(self._written * self.width * ROW_TYPE.itemsize)
        self._file.write(numpy.ascontiguousarray(rows, ROW_TYPE).tobytes())
        self._file.flush()
        begin, self._written = self._written, self._written + len(rows)
        return begin

    def read(self, begin: int, count: int) -> Rows | None:
        """RETURNS (Optional[Rows]): `(count, E)`, a view of the file; None where it is shorter."""
        if begin + count > len(self._mapped):
            self._map()
        if begin + count > len(self._mapped):
            return None
        return self._mapped[begin : begin + count]

    def close(self) -> None:
        """Release the file, so that its folder can be removed. It opens again when it is used."""
        self._mapped = numpy.zeros((0, self.width), ROW_TYPE)
        if self._file is not None:
            self._file.close()
            self._file = None

    def _map(self) -> None:
        row = self.width * ROW_TYPE.itemsize
        rows = self.path.stat().st_size // row if self.path.is_file() else 0
        if rows:
            shape = (rows, self.width)
            self._mapped = numpy.memmap(self.path, ROW_TYPE, "r", shape=shape)
