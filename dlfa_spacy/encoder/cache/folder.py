"""Layers in a folder that several processes share, and that outlives them.

The folder holds, for each layer `NN` and each process that wrote (`WRITER`, a name that no other
process has), two files:

`layer_NN.WRITER.f16`
    Rows of E little-endian float16, one text after the other, without header and padding.
`layer_NN.WRITER.idx`
    A header of 16 bytes: `DLFALYR1`, u32 E, u32 layer. Then records of 36 bytes, little endian:

    | bytes | what |
    |---|---|
    | 16 | key of a text |
    | u64 | its first row in the `.f16` file |
    | u32 | its rows |
    | u32 | CRC-32 of its rows |
    | u32 | CRC-32 of the 32 bytes before |

Only its writer ever changes a file, and only by appending; a record is written after the rows that
it names. So a process that is killed loses nothing but what it was writing, and nobody waits for
anybody: there are no locks. A reader takes whole records whose checksum is right, and rows that are
there and whose checksum is right. Everything else counts as not kept: the text is encoded again.
"""

import os
import re
import secrets
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy

from .keys import KEY_BYTES
from .rows_file import ROW_TYPE, Rows, RowsFile

MAGIC = b"DLFALYR1"
HEADER = struct.Struct("<8sII")
ENTRY = struct.Struct(f"<{KEY_BYTES}sQII")
CHECKSUM = struct.Struct("<I")
RECORD_BYTES = ENTRY.size + CHECKSUM.size
INDEX_NAME = re.compile(r"layer_(\d+)\.(.+)\.idx")


@dataclass
class Entry:
    """Where the rows of one text are; `checksum` is None once it has been compared."""

    file: RowsFile
    begin: int
    count: int
    checksum: int | None


class FolderStore:
    """Keeps layers in a folder (see the module's docstring).

    folder (Path): Of one encoder. It is made when something is put.
    width (int): E.
    """

    def __init__(self, folder: Path, width: int):
        self.folder = folder
        self.width = width
        self.writer = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._entries: dict[tuple[bytes, int], Entry] = {}
        # Index file of another writer -> bytes that have been read.
        self._read: dict[str, int] = {}
        self._own: dict[int, tuple[RowsFile, BinaryIO]] = {}
        self.refresh()

    def get(self, key: bytes, layer: int) -> Rows | None:
        entry = self._entries.get((key, layer))
        if entry is None:
            return None
        rows = entry.file.read(entry.begin, entry.count)
        if rows is not None and entry.checksum in (None, zlib.crc32(rows.data)):
            entry.checksum = None
            return rows
        # Cut off or damaged: whoever encodes the text again keeps it again.
        del self._entries[key, layer]
        return None

    def put(self, layer: int, rows: Mapping[bytes, Rows]) -> None:
        new = {key: array for key, array in rows.items() if self.get(key, layer) is None}
        if not new:
            return
        file, index = self._own_files(layer)
        begin = file.append(numpy.concatenate(list(new.values())))
        records = []
        for key, array in new.items():
            data = numpy.ascontiguousarray(array, ROW_TYPE)
            entry = ENTRY.pack(key, begin, len(data), zlib.crc32(data.data))
            records.append(entry + CHECKSUM.pack(zlib.crc32(entry)))
            self._entries[key, layer] = Entry(file, begin, len(data), None)
            begin += len(data)
        index.write(b"".join(records))

    def refresh(self) -> None:
        """Read what has been added to the index files of other writers."""
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob("layer_*.idx")):
            match = INDEX_NAME.fullmatch(path.name)
            if match is None or match[2] == self.writer:
                continue
            self._read_index(path, int(match[1]))

    def close(self) -> None:
        for file, index in self._own.values():
            file.close()
            index.close()
        for entry in self._entries.values():
            entry.file.close()
        self._own, self._entries = {}, {}

    def _own_files(self, layer: int) -> tuple[RowsFile, BinaryIO]:
        if layer not in self._own:
            self.folder.mkdir(parents=True, exist_ok=True)
            stem = self.folder / f"layer_{layer:02d}.{self.writer}"
            # Unbuffered: a record is in the file when it has been written, or not at all.
            index = cast(BinaryIO, open(f"{stem}.idx", "xb", buffering=0))
            index.write(HEADER.pack(MAGIC, self.width, layer))
            self._own[layer] = RowsFile(Path(f"{stem}.f16"), self.width), index
        return self._own[layer]

    def _read_index(self, path: Path, layer: int) -> None:
        begin = self._read.get(path.name, 0)
        if path.stat().st_size < begin + RECORD_BYTES:
            return
        with path.open("rb") as file_:
            if begin == 0:
                if file_.read(HEADER.size) != HEADER.pack(MAGIC, self.width, layer):
                    return
                begin = HEADER.size
            file_.seek(begin)
            content = file_.read()
        file = RowsFile(path.with_suffix(".f16"), self.width)
        # A record that is being written is read next time.
        whole = len(content) // RECORD_BYTES * RECORD_BYTES
        for start in range(0, whole, RECORD_BYTES):
            record = content[start : start + ENTRY.size]
            (checksum,) = CHECKSUM.unpack_from(content, start + ENTRY.size)
            if checksum != zlib.crc32(record):
                continue
            key, first, count, rows_checksum = ENTRY.unpack(record)
            if (key, layer) not in self._entries:
                self._entries[key, layer] = Entry(file, first, count, rows_checksum)
        self._read[path.name] = begin + whole
