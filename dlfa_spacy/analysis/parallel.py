"""Parallel sentences from TSV files: foreign TAB English, with links between words if they have."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from ..alignment.parallel.naming import foreign_language
from ..alignment.parallel.pharaoh import parse_links
from ..alignment.parallel.tsv import read_tsv


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
        return {foreign_language(path): path}
    files = sorted(path.glob("*.tsv")) if path.is_dir() else []
    if not files:
        raise ValueError(
            f"{path}: found no file and no folder of .tsv files. Expected <language>-en.tsv with "
            "lines of foreign TAB English, or a folder of them. Fix: correct the path."
        )
    return {foreign_language(file): file for file in files}


def read_parallel(path: str | Path, limit: int = 0) -> ParallelText:
    """Read the first pairs of a file.

    path (Union[str, Path]): The file. Lines are foreign TAB English, or foreign TAB English TAB
        links in Pharaoh's format (`0-0 1-2`, counted among the words between blanks).
    limit (int): So many pairs; 0 for all.
    RETURNS (ParallelText): The pairs.
    RAISES (ValueError): A line without a tab or with wrong links, or no pairs at all.
    """
    path = Path(path)
    text = ParallelText(foreign_language(path))
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


def _lines(path: Path) -> Iterator[Pair]:
    for raw in read_tsv(path):
        foreign, english = raw.source.strip(), raw.target.strip()
        if not foreign or not english:
            raise ValueError(
                f"{raw.where}: one of the two sides is empty. Expected foreign TAB English (TAB "
                "links). Fix: correct the line."
            )
        links = None
        if raw.links is not None:
            sizes = len(foreign.split()), len(english.split())
            links = tuple(parse_links(raw.links, *sizes, *raw.place))
        yield Pair(foreign, english, links)
