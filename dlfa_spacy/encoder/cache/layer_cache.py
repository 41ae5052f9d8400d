"""Between a frozen encoder and those who read it: what is kept is not computed again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor

from ...threads import Lock
from ..segment.windows import Windows
from .folder import FolderStore
from .keys import doc_keys
from .rows_file import ROW_TYPE, Rows
from .setting import parse_cache
from .store import LayerStore, MemoryStore

# Some Docs and some layers -> {l: H^l `(N, E)`}
Encode = Callable[[Windows, list[int]], dict[int, Tensor]]


class LayerCache:
    """The layers of a frozen encoder, half precision, by text.

    It belongs to one process: copies and pickles of it are empty, and so is what a forked process
    finds. It holds one encoder's layers at a time; what it is told to be another one's is gone.

    setting (Union[int, str]): See `parse_cache`.
    component (str): Name of the component, for errors.
    """

    def __init__(self, setting: int | str = 0, component: str = "transformer"):
        self.setting = setting
        self.component = component
        self.where = parse_cache(setting, component)
        # What was seen last: listeners trained on the encoder, or (False) the encoder trained.
        self._trains_frozen: bool | None = None
        # Whether a batch was trained on last: then the next is likely to be, too.
        self.expects_training = False
        # In a folder, what is encoded next is kept in files of this part of a corpus.
        self.part = ""
        # Bytes kept of texts that were only predicted, since something was trained on last.
        self._predicted = 0
        self._store: LayerStore | None = None
        self._name: str | None = None
        self._process = os.getpid()
        # Around everything here but the encoder's own work.
        self._lock = Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return LayerCache, (self.setting, self.component)

    @property
    def is_on(self) -> bool:
        return self.where != 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been kept or looked up."""
        return self._store is None

    @property
    def serves_predictions(self) -> bool:
        """Whether plain prediction goes through the cache: where listeners train on the encoder
        (then it annotates the training texts, or scores), and always with a folder, as long as the
        encoder itself was not trained."""
        with self._lock:
            self._check_process()
            default = isinstance(self.where, Path)
            return self.is_on and (default if self._trains_frozen is None else self._trains_frozen)

    def listeners_train(self) -> None:
        """Somebody trains on what the encoder gave: it will be asked for the same again."""
        with self._lock:
            self._check_process()
            self._trains_frozen, self.expects_training, self._predicted = True, True, 0

    def encoder_trains(self) -> None:
        """The encoder's weights are about to change: what is kept is of no use to anybody here."""
        with self._lock:
            self._trains_frozen, self.expects_training = False, False
            self._drop()

    def missing(
        self, windows: Windows, layers: list[int], name: str, width: int
    ) -> list[tuple[int, int]]:
        """
        windows (Windows): Some texts.
        layers (List[int]): The layers wanted of each.
        name (str), width (int): Of the encoder, see `states`.
        RETURNS (List[Tuple[int, int]]): The Docs of which some layer is not kept, and how many
            rows of it. A text that is there twice is missing once.
        """
        keys = doc_keys(windows)
        sizes = numpy.diff(windows.doc_rows).tolist()
        with self._lock:
            store = self._open(name, width)
            absent = {
                keys[i]: i
                for i in reversed(range(len(keys)))
                if windows.doc_windows[i] and any(store.get(keys[i], x) is None for x in layers)
            }
        return [(i, sizes[i]) for i in sorted(absent.values())]

    def states(
        self,
        windows: Windows,
        layers: list[int],
        name: str,
        width: int,
        encode: Encode,
        training: bool,
    ) -> dict[int, Tensor]:
        """Look up some layers of a batch, and encode what is missing.

        windows (Windows): The batch, N wordpieces.
        layers (List[int]): The layers wanted.
        name (str): Of the encoder: another one for any other that computes anything else.
        width (int): E.
        encode (Callable): The encoder. It is given all texts that are missing together.
        training (bool): Whether listeners train on the batch.
        RETURNS (Dict[int, Tensor]): {l: `(N, E)`}, fp32 on the CPU, rounded to half precision also
            where it was computed just now, so that it is the same the next time. Only what half
            precision cannot hold (too large) is not rounded, and not kept.
        """
        keys = doc_keys(windows)
        # An empty Doc has no rows.
        full = [i for i in range(len(keys)) if windows.doc_windows[i]]
        # A text that is there several times is encoded once.
        missing = {keys[i]: i for i in full}
        with self._lock:
            store = self._open(name, width)
            self.expects_training = False
            if training:
                self.listeners_train()
            found = _look_up(store, missing, layers)
            if missing:
                store.refresh()
                found.update(_look_up(store, missing, layers))
        if missing:
            found.update(self._encode(windows, layers, encode, missing, store, training))
        joined = {
            layer: numpy.concatenate([found[keys[i]][layer] for i in full]) for layer in layers
        }
        return {layer: torch.from_numpy(rows).float() for layer, rows in joined.items()}

    def _encode(
        self,
        windows: Windows,
        layers: list[int],
        encode: Encode,
        missing: dict[bytes, int],
        store: LayerStore,
        training: bool,
    ) -> dict[bytes, dict[int, Rows]]:
        """RETURNS (Dict[bytes, Dict[int, Rows]]): Key -> layer -> the rows of a text."""
        part = windows.of_docs(list(missing.values()))
        encoded: dict[bytes, dict[int, Rows]] = {key: {} for key in missing}
        for layer, states in encode(part, layers).items():
            exact = states.detach().float().cpu().numpy()
            with numpy.errstate(over="ignore"):
                half = exact.astype(ROW_TYPE)
            fits = numpy.isfinite(half).min(axis=1)
            kept = {}
            for i, key in enumerate(missing):
                rows = slice(int(part.doc_rows[i]), int(part.doc_rows[i + 1]))
                if fits[rows].all():
                    kept[key] = encoded[key][layer] = half[rows]
                else:
                    encoded[key][layer] = exact[rows]
            with self._lock:
                # Another thread may have had to release the store since.
                if self._store is store and (training or self._has_room(kept)):
                    store.put(layer, kept, self.part)
        return encoded

    def _has_room(self, rows: dict[bytes, Rows]) -> bool:
        """Whether what is only predicted is kept as well. A process that predicts for ever after it
        has trained must not fill the disk: a size is for each as much again at the most."""
        if isinstance(self.where, Path):
            return True
        self._predicted += sum(array.nbytes for array in rows.values())
        return self._predicted <= self.where

    def _open(self, name: str, width: int) -> LayerStore:
        self._check_process()
        if self._store is None or name != self._name:
            self._drop()
            self._name = name
            if isinstance(self.where, Path):
                self._store = FolderStore(self.where / name, width)
            else:
                self._store = MemoryStore(width, self.where)
        return self._store

    def _drop(self) -> None:
        if self._store is not None and self._process == os.getpid():
            self._store.close()
        self._store = None
        self._predicted = 0

    def _check_process(self) -> None:
        if self._process != os.getpid():
            self._drop()
            self._process, self._trains_frozen, self.expects_training = os.getpid(), None, False


def _look_up(
    store: LayerStore, missing: dict[bytes, int], layers: list[int]
) -> dict[bytes, dict[int, Rows]]:
    """Take from `missing` the texts of which all layers are there.

    RETURNS (Dict[bytes, Dict[int, Rows]]): Key -> layer -> their rows.
    """
    found = {}
    for key in list(missing):
        rows: dict[int, Rows] = {}
        for layer in layers:
            kept = store.get(key, layer)
            if kept is None:
                break
            rows[layer] = kept
        else:
            found[key] = rows
            del missing[key]
    return found
