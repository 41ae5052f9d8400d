"""One wording for everything that can be wrong with a corpus file."""

from __future__ import annotations

import reprlib
from pathlib import Path

_SHOWN = 120
# `repr` itself fails on what is nested too deep, and takes long on a line of many megabytes.
_REPR = reprlib.Repr()
_REPR.maxlist = _REPR.maxdict = _REPR.maxtuple = 20
_REPR.maxother = _REPR.maxlong = _REPR.maxstring = _SHOWN


def malformed(path: str | Path, line: int, found: object, expected: str, fix: str) -> ValueError:
    """Make the error for a bad line of a corpus file.

    path (Union[str, Path]): The file.
    line (int): The line, counted from 1.
    found (object): What stands there.
    expected (str): What should stand there.
    fix (str): What the user can do about it.
    RETURNS (ValueError): The error, to be raised by the caller.
    """
    shown = repr(found[:_SHOWN]) if isinstance(found, str | bytes) else _REPR.repr(found)
    if len(shown) > _SHOWN:
        shown = shown[: _SHOWN - 3] + "..."
    return ValueError(f"{path}:{line}: found {shown}, expected {expected}. {fix}")
