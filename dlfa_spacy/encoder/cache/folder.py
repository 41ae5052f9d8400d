"""Layers in a folder that several processes share, and that outlives them.

The folder holds, for each layer `NN`, each part of a corpus that was encoded as one (`PART`, such
as `ner.de.test`; without one, it and its dot are missing) and each process that wrote (`WRITER`, a
name that no other process has), two files:

`layer_NN.PART.WRITER.f16`
    Rows of E little-endian float16, one text after the other, without header and padding.
`layer_NN.PART.WRITER.idx`
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

A reader opens the indexes of a layer when that layer is first asked for, and a record is checked
when its text is: a run that reads one layer of a hundred thousand texts begins at once.
"""

import os
import secrets
import struct
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy

from .keys import KEY_BYTES
from .rows_file import ROW_TYPE, Rows, RowsFile

MAGIC = b"DLFALYR1"
HEADER = struct.Struct("<8sII")
ENTRY = struct.Struct(f"<{KEY_BYTES}sQII")
CHECKSUM = struct.Struct("<I")
RECORD_BYTES = ENTRY.size + CHECKSUM.size
# Files of rows that are open at once, those written to twice: some systems allow a process 256.
MAX_OPEN = 64


@dataclass
class Index:
    """What is known of one `.idx` file, and the rows beside it.

    file (RowsFile): The rows.
    records (bytearray): Its whole records, RECORD_BYTES each.
    checked (Set[int]): Those whose rows have been compared with their checksum.
    """

    file: RowsFile
    records: bytearray = field(default_factory=bytearray)
    checked: set[int] = field(default_factory=set)

    def keys(self, begin: int) -> list[bytes]:
        """RETURNS (List[bytes]): The keys of the records from a byte on."""
        places = range(begin, len(self.records), RECORD_BYTES)
        return [bytes(self.records[place : place + KEY_BYTES]) for place in places]

    def rows(self, key: bytes, number: int) -> Rows | None:
        """RETURNS (Optional[Rows]): The rows of a record; None if it or they are damaged."""
        place = number * RECORD_BYTES
        record = self.records[place : place + ENTRY.size]
        found, begin, count, checksum = ENTRY.unpack(record)
        if number not in self.checked:
            (own,) = CHECKSUM.unpack_from(self.records, place + ENTRY.size)
            if found != key or own != zlib.crc32(record):
                return None
        rows = self.file.read(begin, count)
        if rows is None:
            return None
        if number not in self.checked and checksum != zlib.crc32(rows.data):
            return None
        self.checked.add(number)
        return rows


@dataclass
class LayerIndex:
    """Where the texts of one layer are.

    places (Dict[bytes, Tuple[Index, int]]): The file and the number of the record, by key.
    files (Dict[str, Index]): The index files of other writers.
    own (Dict[str, Index]): What this process writes, by part.
    """

    places: dict[bytes, tuple[Index, int]] = field(default_factory=dict)
    files: dict[str, Index] = field(default_factory=dict)
    own: dict[str, Index] = field(default_factory=dict)


class FolderStore:
    """Keeps layers in a folder (see the module's docstring).

    folder (Path): Of one encoder. It is made when something is put.
    width (int): E.
    """

    def __init__(self, folder: Path, width: int):
        self.folder = folder
        self.width = width
        self.writer = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._layers: dict[int, LayerIndex] = {}
        # Least recently used first.
        self._open: OrderedDict[int, RowsFile] = OrderedDict()

    def get(self, key: bytes, layer: int) -> Rows | None:
        places = self._layer(layer).places
        place = places.get(key)
        if place is None:
            return None
        index, number = place
        self._use(index.file)
        rows = index.rows(key, number)
        if rows is None:
            # Cut off or damaged: whoever encodes the text again keeps it again.
            del places[key]
        return rows

    def put(self, layer: int, rows: Mapping[bytes, Rows], part: str = "") -> None:
        new = {key: array for key, array in rows.items() if self.get(key, layer) is None}
        if not new:
            return
        of_layer = self._layer(layer)
        index = self._own_index(layer, part, of_layer)
        self._use(index.file)
        begin = index.file.append(numpy.concatenate(list(new.values())))
        number = len(index.records) // RECORD_BYTES
        records = bytearray()
        for key, array in new.items():
            data = numpy.ascontiguousarray(array, ROW_TYPE)
            entry = ENTRY.pack(key, begin, len(data), zlib.crc32(data.data))
            records += entry + CHECKSUM.pack(zlib.crc32(entry))
            of_layer.places[key] = index, number
            index.checked.add(number)
            begin, number = begin + len(data), number + 1
        index.records += records
        # Unbuffered: a record is in the file when it has been written, or not at all.
        with open(index.file.path.with_suffix(".idx"), "ab", buffering=0) as file:
            file.write(records)

    def refresh(self) -> None:
        """Read what has been added to the index files of other writers, in the layers that have
        been asked for."""
        for layer, of_layer in self._layers.items():
            self._read(layer, of_layer)

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()
        self._layers = {}

    def _use(self, file: RowsFile) -> None:
        self._open[id(file)] = file
        self._open.move_to_end(id(file))
        if len(self._open) > MAX_OPEN:
            # What was handed out of it keeps its own part of the file in memory.
            self._open.popitem(last=False)[1].close()

    def _layer(self, layer: int) -> LayerIndex:
        if layer not in self._layers:
            self._layers[layer] = LayerIndex()
            self._read(layer, self._layers[layer])
        return self._layers[layer]

    def _own_index(self, layer: int, part: str, of_layer: LayerIndex) -> Index:
        if part not in of_layer.own:
            self.folder.mkdir(parents=True, exist_ok=True)
            names = [f"layer_{layer:02d}", *filter(None, [part]), self.writer]
            path = self.folder / (".".join(names) + ".f16")
            with path.with_suffix(".idx").open("xb") as file:
                file.write(HEADER.pack(MAGIC, self.width, layer))
            of_layer.own[part] = Index(RowsFile(path, self.width))
        return of_layer.own[part]

    def _read(self, layer: int, of_layer: LayerIndex) -> None:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.glob(f"layer_{layer:02d}.*.idx")):
            if not path.stem.endswith(self.writer):
                self._read_index(path, layer, of_layer)

    def _read_index(self, path: Path, layer: int, of_layer: LayerIndex) -> None:
        index = of_layer.files.get(path.name)
        known = 0 if index is None else len(index.records)
        begin = HEADER.size + known
        # A record that is being written is read next time.
        whole = (path.stat().st_size - begin) // RECORD_BYTES * RECORD_BYTES
        if whole <= 0:
            return
        with path.open("rb") as file_:
            if index is None:
                if file_.read(HEADER.size) != HEADER.pack(MAGIC, self.width, layer):
                    return
                index = Index(RowsFile(path.with_suffix(".f16"), self.width))
                of_layer.files[path.name] = index
            file_.seek(begin)
            index.records += file_.read(whole)
        for number, key in enumerate(index.keys(known), known // RECORD_BYTES):
            of_layer.places.setdefault(key, (index, number))
