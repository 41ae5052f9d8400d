"""Writing a file so that a crash or bad input never leaves half of it behind."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PathLike = str | Path


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _put(temporary: Path, target: Path) -> None:
    if not temporary.is_dir() and not target.is_dir():
        os.replace(temporary, target)
        return
    # No folder can be replaced in one step: the old one steps aside, and back if that fails.
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    if target.exists():
        os.replace(target, old)
    try:
        os.replace(temporary, target)
    except OSError:
        if old.exists():
            os.replace(old, target)
        raise
    _remove(old)


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
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _put(temporary, target)
    finally:
        _remove(temporary)


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
