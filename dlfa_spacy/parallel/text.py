"""The pairs of one language, and TSV files of them: what retrieval and CKA are measured with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .naming import foreign_language
from .pair import SentencePair
from .pharaoh import parse_links
from .tsv import read_tsv


@dataclass
class ParallelText:
    """The pairs of one language.

    language (str): Code of the foreign language.
    pairs (List[SentencePair]): The sentences, none of them twice on either side.
    repeated (int): Lines left out because one of their sides had occurred before: retrieval
        could not tell which is meant.
    """

    language: str
    pairs: list[SentencePair] = field(default_factory=list)
    repeated: int = 0
    _seen: set[tuple[str, str]] = field(default_factory=set, repr=False)

    def add(self, pair: SentencePair) -> None:
        """Take in a pair, unless one of its sides occurred before."""
        sides = {("source", pair.source_text), ("target", pair.target_text)}
        if sides & self._seen:
            self.repeated += 1
            return
        self._seen |= sides
        self.pairs.append(pair)

    @property
    def linked(self) -> list[SentencePair]:
        """RETURNS (List[SentencePair]): The pairs of which some words are linked."""
        return [pair for pair in self.pairs if pair.links]

    @property
    def foreign(self) -> list[str]:
        """RETURNS (List[str]): The foreign sides."""
        return [pair.source_text for pair in self.pairs]

    @property
    def english(self) -> list[str]:
        """RETURNS (List[str]): The English sides."""
        return [pair.target_text for pair in self.pairs]


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
    limit (int): Pairs; 0 for all.
    RETURNS (ParallelText): The pairs.
    RAISES (ValueError): A line without a tab or with wrong links, or no pairs at all.
    """
    path = Path(path)
    text = ParallelText(foreign_language(path))
    for pair in _lines(path):
        if limit and len(text.pairs) == limit:
            break
        text.add(pair)
    if not text.pairs:
        raise ValueError(
            f"{path}: found no pair of sentences. Expected lines of foreign TAB English. Fix: "
            "name another file."
        )
    return text


def _lines(path: Path) -> Iterator[SentencePair]:
    for raw in read_tsv(path):
        foreign, english = raw.source.strip(), raw.target.strip()
        if not foreign or not english:
            raise ValueError(
                f"{raw.where}: one of the two sides is empty. Expected foreign TAB English (TAB "
                "links). Fix: correct the line."
            )
        words = foreign.split(), english.split()
        links = []
        if raw.links is not None:
            links = parse_links(raw.links, len(words[0]), len(words[1]), *raw.place)
        yield SentencePair(raw.language, *words, links, foreign, english)
