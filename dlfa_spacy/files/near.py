"""The path that was meant."""

from __future__ import annotations

from pathlib import Path

from ..checks import nearest


def nearest_path(path: Path) -> Path | None:
    """
    path (Path): One where nothing is.
    RETURNS (Optional[Path]): The one that is spelt most like it, part by part, if all its parts are
        there.
    """
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if not (found / part).exists():
            try:
                near = nearest(part, (one.name for one in found.iterdir()))
            except OSError:
                return None
            if near is None:
                return None
            part = near
        found /= part
    return found


def did_you_mean(path: Path) -> str:
    """
    path (Path): One where nothing is.
    RETURNS (str): The question for an error, with a space before it; nothing if no path is near.
    """
    near = nearest_path(path)
    return "" if near is None else f" Did you mean {near}?"
