"""Writing a file so that a crash or bad input never leaves half of it behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PathLike = str | Path


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Give a temporary name in the folder of `path`; on success it takes the place of `path`.

    The temporary file lies in the same folder because `os.replace` is atomic within one file
    system only. If the body raises, the old file is untouched and the temporary one is removed.

    path (Union[str, Path]): The file to write. Its folder is made if it is missing.
    YIELDS (Path): Where to write.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: PathLike, text: str) -> None:
    """Write `text` as UTF-8 with `\\n` line ends, all of it or nothing.

    path (Union[str, Path]): The file to write.
    text (str): Its content.
    """
    with replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as file_:
            file_.write(text)
