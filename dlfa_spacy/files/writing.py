"""Writing a file so that a crash or bad input never leaves half of it behind."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .exchange import exchange
from .leftovers import NEW, OLD, beside, recover, remove

PathLike = str | Path


def _put(temporary: Path, target: Path) -> None:
    if not temporary.is_dir() and not target.is_dir():
        os.replace(temporary, target)
        return
    if not os.path.lexists(target):
        os.replace(temporary, target)
        return
    # No folder can be replaced in one step, but two can change places.
    if exchange(temporary, target):
        return
    # The old one steps aside, and back if that fails.
    old = beside(target, OLD)
    os.replace(target, old)
    try:
        os.replace(temporary, target)
    except OSError:
        os.replace(old, target)
        raise
    remove(old)


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give a temporary name in the folder of `path`; on success it takes the place of `path`.

    The body may write a file or make a folder there.

    The temporary file lies in the same folder because `os.replace` is atomic within one file
    system only. If the body raises, the old file is untouched and the temporary one is removed.

    path (Union[str, Path]): What to write. The folder it lies in is made if it is missing.
    YIELDS (Path): Where to write.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    recover(target)
    temporary = beside(target, NEW)
    try:
        yield temporary
        _put(temporary, target)
    finally:
        # What was written, after a failure; or what was there before.
        remove(temporary)


@contextmanager
def updating(folder: PathLike) -> Iterator[Path]:
    """Replace some files of a folder at once: all of them, or none if that fails or is killed.

    folder (Union[str, Path]): It is made if it is missing.
    YIELDS (Path): A folder with what is in `folder`, where files may be replaced (see `write_text`)
        and removed. They are links: to open one for writing would change the original.
    """
    target = Path(os.path.realpath(folder))
    with replacing(target) as temporary:
        if target.is_dir():
            shutil.copytree(target, temporary, symlinks=True, copy_function=_link)
        else:
            temporary.mkdir()
        yield temporary


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system inside, or one without links.
        shutil.copy2(source, target)


def open_file(path: Path) -> BinaryIO:
    """Open an ordinary file, and nothing that could make its reader wait for ever.

    path (Path): The file.
    RETURNS (BinaryIO): Its bytes.
    RAISES (ValueError): If it is a folder, a pipe, a socket or a device.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            f"{path}: found no ordinary file, expected one: files are read more than once. Fix: "
            "save what it gives to a file, and name that."
        )
    return path.open("rb")


def write_text(path: PathLike, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, all of it or nothing.

    path (Union[str, Path]): The file to write.
    text (str): Its content.
    """
    with replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as file_:
            file_.write(text)
