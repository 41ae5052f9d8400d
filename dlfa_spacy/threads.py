"""One torch module in many threads: any number predict with it, or one trains it."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

# Seconds between two looks at who is still predicting.
PAUSE = 0.001


class Lock:
    """A lock that copies, pickles and forked processes have anew: nobody in them holds it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process = os.getpid()

    def __enter__(self) -> None:
        if self._process != os.getpid():
            self._lock, self._process = threading.RLock(), os.getpid()
        self._lock.acquire()

    def __exit__(self, *error: Any) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[Any, ...]:
        return Lock, ()


class ModuleUse:
    """Who uses a module now.

    Predictions do not wait. The thread that trains on a batch has exclusive use of the module, from
    the forward pass to the optimizer's step: a prediction would come from weights that change while
    it is computed, so other threads are refused. A batch that was interrupted, or is never stepped,
    ends when the pipeline is saved or the thread ends.
    """

    def __init__(self) -> None:
        # Around what is done once: loading, passing on the last gradients.
        self.lock = Lock()
        self._predicting: set[tuple[threading.Thread, object]] = set()
        self._trainer: threading.Thread | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleUse, ()

    def check(self) -> None:
        """RAISES (ValueError): Another thread trains."""
        trainer = self._trainer
        if trainer is None or trainer is threading.current_thread() or not trainer.is_alive():
            return
        raise ValueError(
            f'This pipeline is trained in the thread "{trainer.name}", and was used in '
            f'"{threading.current_thread().name}" in the middle of a batch. Expected one thread '
            "from nlp.update() to the optimizer's step: weights would change while an answer is "
            "computed. Fix: predict between two batches, or with a copy "
            "(spacy.load(...), nlp.from_bytes(...)). If training was interrupted, call "
            "nlp.to_bytes() in the thread that trained."
        )

    @contextmanager
    def predicting(self, module: nn.Module) -> Iterator[None]:
        """Use a module that is in evaluation mode.

        module (Module): The module. If it was left in training mode, it is put into evaluation
            mode.
        RAISES (ValueError): Another thread trains it.
        """
        entry = (threading.current_thread(), object())
        # Before the check, so that whoever begins to train in between waits for this one.
        self._predicting.add(entry)
        try:
            self.check()
            if module.training:
                module.eval()
            yield
        finally:
            self._predicting.discard(entry)

    @contextmanager
    def training(self, module: nn.Module) -> Iterator[None]:
        """Put a module into training mode, and back.

        RAISES (ValueError): Another thread trains it.
        """
        self.train()
        module.train()
        try:
            yield
        finally:
            module.eval()

    def train(self) -> None:
        """From now until `rest` only this thread may use the module. Waits for predictions that
        are under way.

        RAISES (ValueError): Another thread trains it.
        """
        me = threading.current_thread()
        with self.lock:
            self.check()
            self._trainer = me
        while any(thread is not me and thread.is_alive() for thread, _ in tuple(self._predicting)):
            time.sleep(PAUSE)

    def rest(self) -> None:
        """The weights stay as they are for now: any thread may use them.

        RAISES (ValueError): Another thread trains.
        """
        self.check()
        self._trainer = None
