"""Processes that are about to be killed: forked, so that the libraries are loaded already."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch


def start(work: Callable[[], None], log: Path) -> int:
    """Run something in a process, and a process group, of its own. RETURNS (int): Its number."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()
        # What the suite, or who started it, does with them is not what a person's shell does.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Threads that torch has made before are not here, and whoever asks for several waits for
        # them for ever.
        torch.set_num_threads(1)
        torch.set_num_threads = lambda number: None
        # Also what it starts writes there.
        sys.stdout = sys.stderr = log.open("w", encoding="utf-8")
        for stream in (1, 2):
            os.dup2(sys.stdout.fileno(), stream)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)
