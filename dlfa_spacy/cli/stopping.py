"""Ctrl-C and SIGTERM end a command in the same way, and say what is left to do."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from .console import messages

# As shells count them: 128 and the number of the signal.
_INTERRUPTED, _TERMINATED = 130, 143


class _Terminated(BaseException):
    """SIGTERM. No handler of errors takes it for one."""


@contextmanager
def stopping(left: str = "") -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does: its processes first, then a word on what is left.

    left (str): What a person does next.
    RAISES (typer.Exit): It was stopped.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Terminated

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if is_main else None
    try:
        yield
    except (KeyboardInterrupt, _Terminated) as error:
        messages().print(f"Stopped. {left}".rstrip(), markup=False)
        code = _TERMINATED if isinstance(error, _Terminated) else _INTERRUPTED
        raise typer.Exit(code) from error
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)
