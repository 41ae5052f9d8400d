"""One wording for everything that can be wrong with a corpus file."""

from __future__ import annotations

from pathlib import Path


def malformed(path: str | Path, line: int, found: object, expected: str, fix: str) -> ValueError:
    """Make the error for a bad line of a corpus file.

    path (Union[str, Path]): The file.
    line (int): The line, counted from 1.
    found (object): What stands there.
    expected (str): What should stand there.
    fix (str): What the user can do about it.
    RETURNS (ValueError): The error, to be raised by the caller.
    """
    shown = repr(found)
    if len(shown) > 120:
        shown = shown[:117] + "..."
    return ValueError(f"{path}:{line}: found {shown}, expected {expected}. {fix}")
