"""Where layers are kept: a store gives them back by text and layer, and knows nothing else."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from .rows_file import ROW_TYPE, Rows, RowsFile


def part_name(corpus: str, language: str, split: str) -> str:
    """RETURNS (str): The part of a corpus that is kept in files of its own: "ner.de.test"."""
    return f"{corpus}.{language}.{split}"


class LayerStore(Protocol):
    """The layers of some texts from one encoder.

    A key is `KEY_BYTES` that name a text (`keys.doc_keys`); rows are `(n, E)` float16.
    """

    def get(self, key: bytes, layer: int) -> Rows | None:
        """RETURNS (Optional[Rows]): H^layer of a text, not to be changed; None if it is not
        there."""
        ...

    def put(self, layer: int, rows: Mapping[bytes, Rows], part: str = "") -> None:
        """Keep H^layer of some texts, which belong to one part of a corpus, see `part_name`. One
        that is there already may be left out, or put again with the same rows."""
        ...

    def refresh(self) -> None:
        """Look for what other processes have put since."""
        ...

    def close(self) -> None:
        """Release files. Nothing may be asked of the store afterwards."""
        ...


class MemoryStore:
    """Keeps layers in memory up to a budget, and in a memory-mapped temporary file beyond it, which
    goes when the store does.

    width (int): E.
    budget (int): Bytes in memory.
    """

    def __init__(self, width: int, budget: int):
        self.width = width
        self.budget = budget
        self.used = 0
        self._rows: dict[tuple[bytes, int], Rows] = {}
        self._spilled: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._file: RowsFile | None = None

    def get(self, key: bytes, layer: int) -> Rows | None:
        rows = self._rows.get((key, layer))
        if rows is None and (key, layer) in self._spilled and self._file is not None:
            return self._file.read(*self._spilled[key, layer])
        return rows

    def put(self, layer: int, rows: Mapping[bytes, Rows], part: str = "") -> None:
        for key, array in rows.items():
            if (key, layer) in self._rows or (key, layer) in self._spilled:
                continue
            if self.used + array.nbytes <= self.budget:
                # A copy: a view of one text would keep its whole batch.
                self._rows[key, layer] = array.astype(ROW_TYPE)
                self.used += array.nbytes
            else:
                self._spilled[key, layer] = (self._spill().append(array), len(array))

    def refresh(self) -> None:
        """Does nothing: nobody else puts anything here."""

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._remove()

    def _spill(self) -> RowsFile:
        if self._file is None:
            folder = tempfile.mkdtemp(prefix="dlfa-cache-")
            self._file = RowsFile(Path(folder) / "rows.f16", self.width)
            self._remove = weakref.finalize(self, _remove_folder, folder, os.getpid())
        return self._file


def _remove_folder(folder: str, owner: int) -> None:
    # A forked process drops its copy of the store, and the folder is still in use.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
