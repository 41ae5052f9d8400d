"""What every process that a command starts needs, before its libraries load and after."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import parent_process

# Set before torch, tokenizers and BLAS are loaded. A process takes its threads from torch, where
# they can still be changed; with the same hash seed, nothing depends on the order of a set.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONHASHSEED": "0",
}


# thinc asks CuPy for its devices as soon as it is imported, and draws CuPy's seed with every other:
# in a process that was forked after that, the draw fails. Where there is no GPU it asks nothing.
_NO_GPU = {"CUDA_VISIBLE_DEVICES": ""}


@contextmanager
def environment(device: int) -> Iterator[None]:
    """The environment in which a process is started.

    device (int): GPU, or -1 for the CPU: the process sees no GPU then.
    YIELDS (None): Nothing.
    """
    ours = ENVIRONMENT | (_NO_GPU if device < 0 else {})
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def die_with_parent() -> None:
    """A command that is killed must not leave processes behind that write into its folder."""
    parent = parent_process()
    if parent is None:
        return

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
