"""Parallel sentences from TSV files: foreign TAB English, with links between words if they have."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

# de-en.tsv, zh-Hant-en.tsv, or de.tsv.
_NAME = re.compile(r"^(?P<language>[a-z]{2,3}(?:-[A-Z][A-Za-z]{1,3})?)(?:[-_.][a-z]{2,3})?$")
_LINK = re.compile(r"^(\d+)-(\d+)$")


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation.

    foreign, english (str): The texts.
    links (Optional[Tuple[Tuple[int, int], ...]]): Which words are translations of each other,
        counted from 0 among the words between blanks; None where the file has no third column.
    """

    foreign: str
    english: str
    links: tuple[tuple[int, int], ...] | None = None


@dataclass
class ParallelText:
    """The pairs of one language.

    language (str): Code of the foreign language.
    pairs (List[Pair]): The sentences, none of them twice on either side.
    repeated (int): Lines left out because one of their sides had been there before: retrieval
        could not tell which is meant.
    """

    language: str
    pairs: list[Pair] = field(default_factory=list)
    repeated: int = 0

    @property
    def foreign(self) -> list[str]:
        """RETURNS (List[str]): The foreign sides."""
        return [pair.foreign for pair in self.pairs]

    @property
    def english(self) -> list[str]:
        """RETURNS (List[str]): The English sides."""
        return [pair.english for pair in self.pairs]


def parallel_files(path: str | Path) -> dict[str, Path]:
    """Find the files of parallel text.

    path (Union[str, Path]): A file `<language>-en.tsv`, or a folder of such files.
    RETURNS (Dict[str, Path]): Language -> file, sorted.
    RAISES (ValueError): There is none, or a language cannot be told.
    """
    path = Path(path)
    if path.is_file():
        return {_language(path): path}
    files = sorted(path.glob("*.tsv")) if path.is_dir() else []
    if not files:
        raise ValueError(
            f"{path}: found no file and no folder of .tsv files. Expected <language>-en.tsv with "
            "lines of foreign TAB English, or a folder of them. Fix: correct the path."
        )
    return {_language(file): file for file in files}


def read_parallel(path: str | Path, limit: int = 0) -> ParallelText:
    """Read the first pairs of a file.

    path (Union[str, Path]): The file. Lines are foreign TAB English, or foreign TAB English TAB
        links in Pharaoh's format (`0-0 1-2`, counted among the words between blanks).
    limit (int): So many pairs; 0 for all.
    RETURNS (ParallelText): The pairs.
    RAISES (ValueError): A line without a tab or with wrong links, or no pairs at all.
    """
    path = Path(path)
    text = ParallelText(_language(path))
    seen: tuple[set[str], set[str]] = set(), set()

    def fresh() -> Iterator[Pair]:
        for pair in _lines(path):
            if pair.foreign in seen[0] or pair.english in seen[1]:
                text.repeated += 1
                continue
            seen[0].add(pair.foreign)
            seen[1].add(pair.english)
            yield pair

    text.pairs = list(islice(fresh(), limit or None))
    if not text.pairs:
        raise ValueError(
            f"{path}: found no pair of sentences. Expected lines of foreign TAB English. Fix: "
            "name another file."
        )
    return text


def _language(path: Path) -> str:
    match = _NAME.match(path.stem)
    if match is None:
        raise ValueError(
            f"{path}: cannot tell the language by the name {path.name!r}. Expected "
            "<language>-en.tsv, such as de-en.tsv. Fix: rename the file."
        )
    return match["language"]


def _lines(path: Path) -> Iterator[Pair]:
    with path.open(encoding="utf-8-sig") as file_:
        for number, line in enumerate(file_, start=1):
            cells = [cell.strip() for cell in line.rstrip("\r\n").split("\t")]
            if not any(cells):
                continue
            if len(cells) not in (2, 3) or not cells[0] or not cells[1]:
                raise ValueError(
                    f"{path}, line {number}: found {len(cells)} cells, {cells.count('')} of them "
                    "empty. Expected foreign TAB English (TAB links). Fix: correct the line."
                )
            links = _links(cells, f"{path}, line {number}") if len(cells) == 3 else None
            yield Pair(cells[0], cells[1], links)


def _links(cells: list[str], where: str) -> tuple[tuple[int, int], ...]:
    sizes = len(cells[0].split()), len(cells[1].split())
    links = []
    for link in cells[2].split():
        match = _LINK.match(link)
        ends = (int(match[1]), int(match[2])) if match else sizes
        if ends[0] >= sizes[0] or ends[1] >= sizes[1]:
            raise ValueError(
                f"{where}: found the link {link!r}. Expected i-j, i below {sizes[0]} and j below "
                f"{sizes[1]}, the words between blanks. Fix: correct the third column."
            )
        links.append(ends)
    return tuple(links)
