"""One of the processes that annotate, as the process sees it that has started it."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path
from typing import Any

from ..runs.children import environment
from .attempts import Attempts
from .settings import AnnotationSettings
from .watcher import Watcher
from .worker import work

# Neither CUDA nor the threads of torch survive a fork.
_START = "spawn"


class Member:
    """A process, and the shard that it has.

    settings (AnnotationSettings): How texts are annotated.
    out (Path): The folder of the result.
    device (int): GPU, or -1 for the CPU.
    watcher (Watcher): Is told how far it is.
    """

    def __init__(
        self, settings: AnnotationSettings, out: Path, device: int, watcher: Watcher
    ) -> None:
        self.device = device
        self.watcher = watcher
        self.is_ready = self.is_dead = False
        self.attempts: Attempts | None = None
        self._told = [0, 0, 0]
        context: Any = multiprocessing.get_context(_START)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=work, args=(theirs, settings, str(out), device), daemon=True
        )
        with environment(device):
            self.process.start()
        # With no copy here, the end of the process is the end of what it says.
        theirs.close()

    def give(self, attempts: Attempts) -> None:
        """
        attempts (Attempts): The shard to do next.
        """
        self.attempts = attempts
        self._told = [0, 0, 0]
        try:
            self.connection.send(attempts.task())
        except ConnectionError:
            # It has died, which is heard where it is listened to.
            pass

    def tell(self, *counts: int) -> None:
        """
        counts (int): How many texts more are done, their words, and how many failed.
        """
        self._told = [a + b for a, b in zip(self._told, counts, strict=True)]
        self.watcher.moved(*counts)

    def take(self, *, is_done: bool) -> Attempts | None:
        """
        is_done (bool): The shard is done.
        RETURNS (Optional[Attempts]): It, if it is not.
        """
        attempts, self.attempts = self.attempts, None
        if is_done:
            return None
        # It is all done again.
        self.watcher.moved(*(-count for count in self._told))
        return attempts

    def end(self) -> str:
        """RETURNS (str): How the process has ended."""
        self.is_dead = True
        self.connection.close()
        self.process.join()
        code = self.process.exitcode or 0
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"
