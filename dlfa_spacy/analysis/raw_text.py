"""Text of one language per file: one sentence per line."""

from itertools import islice
from pathlib import Path


def raw_files(folder: str | Path) -> dict[str, Path]:
    """Find the files of raw text.

    folder (Union[str, Path]): Holds `<language>.txt`.
    RETURNS (Dict[str, Path]): Language -> file, sorted.
    RAISES (ValueError): There are none.
    """
    files = {path.stem: path for path in sorted(Path(folder).glob("*.txt"))}
    if not files:
        raise ValueError(
            f"{folder}: found no .txt file there. Expected <language>.txt with one sentence a "
            "line, en.txt among them. Fix: correct the folder."
        )
    return files


def read_raw(path: str | Path, limit: int = 0) -> list[str]:
    """Read the first lines that are not empty.

    path (Union[str, Path]): The file.
    limit (int): How many; 0 for all.
    RETURNS (List[str]): The sentences.
    RAISES (ValueError): There are none.
    """
    with Path(path).open(encoding="utf-8-sig") as file_:
        lines = list(islice((line.strip() for line in file_ if line.strip()), limit or None))
    if not lines:
        raise ValueError(f"{path}: the file is empty. Expected a sentence per line. Fix: fill it.")
    return lines
