"""Temporary names, and what processes that were killed have left under them."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import socket
from pathlib import Path

from .processes import is_running

NEW = "tmp"
OLD = "old"
_COUNT = itertools.count()
# A folder may be shared by machines, whose processes have the same numbers.
_HOST = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())


def remove(path: Path) -> None:
    """Remove a file or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def beside(target: Path, kind: str) -> Path:
    """RETURNS (Path): A name in the same folder that nobody else uses.

    target (Path): What is written.
    kind (str): NEW, what takes its place; or OLD, what had to step aside.
    """
    return target.with_name(f".{target.name}.{_HOST}.{os.getpid()}-{next(_COUNT)}.{kind}")


def recover(target: Path) -> None:
    """Put back what had stepped aside when a process was killed, and remove what such processes
    were writing. Whoever reads or writes `target` calls this first.

    target (Path): A file or a folder, or a name where none is.
    """
    # Older results had no host and no count in their names.
    pattern = re.compile(
        rf"\.{re.escape(target.name)}\.(?:{re.escape(_HOST)}\.)?(\d+)(?:-\d+)?\.({NEW}|{OLD})"
    )
    if not target.name or not target.parent.is_dir():
        return
    found = []
    for name in os.listdir(target.parent):
        match = pattern.fullmatch(name)
        if match is not None and not is_running(int(match[1])):
            found.append((target.parent / name, match[2]))
    for path, kind in found:
        if kind == OLD and not os.path.lexists(target):
            os.replace(path, target)
        else:
            remove(path)
