"""A table between two markers of a Markdown file, put there by a command and never by hand."""

from __future__ import annotations

from pathlib import Path

from .writing import write_text

MARKER = "<!-- dlfa:scores -->"


def insert_between_markers(path: Path, content: str, marker: str = MARKER) -> None:
    """Replace what stands between the two markers of a file, all or nothing.

    path (Path): The file, with the marker on two lines of its own.
    content (str): What to put between them.
    marker (str): The marker.
    RAISES (ValueError): If the marker is not there exactly twice; the file is unchanged.
    """
    text = path.read_text(encoding="utf-8")
    parts = text.split(marker)
    if len(parts) != 3:
        raise ValueError(
            f"{path}: found the marker {marker} {len(parts) - 1} times, expected twice: before and "
            "after the place for the table. Add it and run the command again."
        )
    before, _, after = parts
    write_text(path, f"{before}{marker}\n\n{content.strip()}\n\n{marker}{after}")
