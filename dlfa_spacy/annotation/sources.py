"""Which files are read: one, a folder of them, or a pattern."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from pathlib import Path

LINES, TEXT, PARQUET = "jsonl", "text", "parquet"
_KINDS = {
    ".jsonl": LINES,
    ".ndjson": LINES,
    ".txt": TEXT,
    ".parquet": PARQUET,
}
STDIN = "-"


@dataclass(frozen=True)
class Source:
    """A file of texts.

    name (str): What ids and the manifest call it: its path below the folder that was given.
    path (Path): The file.
    kind (str): "jsonl", "text" or "parquet".
    """

    name: str
    path: Path
    kind: str


def find_sources(given: str) -> tuple[Path | None, list[Source]]:
    """List the files of an input. A pattern is expanded here, for shells that do not.

    given (str): A file, a folder, or a pattern (`texts/**/*.jsonl`).
    RETURNS (Tuple[Optional[Path], List[Source]]): The folder that was given, if it is one; and the
        files, in the order of their names.
    RAISES (ValueError): There is none, or one is of no kind that is known.
    """
    path = Path(given)
    if path.is_dir():
        below = sorted(
            found
            for found in path.rglob("*")
            if found.is_file()
            and found.suffix.lower() in _KINDS
            and not any(part.startswith(".") for part in found.relative_to(path).parts)
        )
        return path, _named(below, path, given)
    if path.exists():
        return None, _named([path], path.parent, given)
    matches = [Path(name) for name in glob.glob(given, recursive=True)]
    files = sorted(found for found in matches if found.is_file())
    return None, _named(files, _fixed_part(given), given)


def _named(files: list[Path], root: Path, given: str) -> list[Source]:
    if not files:
        raise ValueError(
            f"IN = {given}: found no file, expected a file, a folder or a pattern of "
            f"{', '.join(_KINDS)}, or - for stdin. Fix: correct the name."
        )
    return [Source(path.relative_to(root).as_posix(), path, kind_of(path)) for path in files]


def kind_of(path: Path) -> str:
    """
    path (Path): A file.
    RETURNS (str): Its kind.
    RAISES (ValueError): Its suffix says none that is known.
    """
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(
            f"IN {path}: found a file {path.suffix or 'without a suffix'}, expected one of "
            f"{', '.join(_KINDS)}. Fix: rename it if it is one of these, or give it by < as stdin."
        )
    return kind


def _fixed_part(pattern: str) -> Path:
    """RETURNS (Path): The folder that all that a pattern can match lies in."""
    parts = Path(pattern).parts
    fixed = [not re.search(r"[*?\[]", part) for part in parts]
    return Path(*parts[: fixed.index(False) if False in fixed else len(parts) - 1])
