"""Finds the files of parallel text in folders, and reads each by its format."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .moses import read_moses
from .naming import ENGLISH, foreign_language
from .raw import RawPair
from .tmx import read_tmx
from .tsv import read_tsv

PathLike = str | Path


@dataclass(frozen=True)
class Source:
    """A file of parallel text, or two for Moses.

    path (Path): The file; for Moses the foreign one.
    english (Optional[Path]): The English file of Moses' format.
    language (Optional[str]): Code of the foreign language; None where the file names it itself.
    """

    path: Path
    english: Path | None = None
    language: str | None = None

    def read(self) -> Iterator[RawPair]:
        """YIELDS (RawPair): The pairs, in the order of the file."""
        if self.english is not None:
            return read_moses(self.path, self.english, str(self.language))
        return read_tmx(self.path) if self.path.suffix == ".tmx" else read_tsv(self.path)


def find_sources(paths: PathLike | Sequence[PathLike]) -> list[Source]:
    """Find parallel text.

    paths (Union[str, Path, Sequence]): Files and folders; folders are searched recursively.
        `<xx>-en.tsv`; any name with `.tmx`; `<name>.<xx>` with `<name>.en`, where the name ends in
        the two languages, as in `wiki.de-en.de` and `wiki.de-en.en`.
    RETURNS (List[Source]): What was found, by path, sorted.
    RAISES (ValueError): There is nothing at one of the paths.
    """
    chosen = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Source] = []
    for path in map(Path, chosen):
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
        else:
            files = [path] if path.is_file() else []
        sources = [source for file in files if (source := _source(file)) is not None]
        if not sources:
            raise ValueError(
                f"{path}: found no parallel text. Expected <xx>-en.tsv, a .tmx file, "
                "<name>.<xx>-en.<xx> beside <name>.<xx>-en.en, or a folder of them. Fix: correct "
                "the path."
            )
        found.extend(sources)
    return found


def _source(file: Path) -> Source | None:
    if file.name.startswith("."):
        return None
    if file.suffix == ".tsv":
        return Source(file, None, foreign_language(file))
    if file.suffix == ".tmx":
        return Source(file)
    # wiki.de-en.de: both languages stand before the suffix, in either order.
    language = file.suffix[1:]
    ends = (f"{language}-{ENGLISH}", f"{ENGLISH}-{language}")
    if language in ("", ENGLISH) or not file.stem.endswith(ends):
        return None
    english = file.with_suffix(f".{ENGLISH}")
    if not english.is_file():
        raise ValueError(
            f"{file}: found no {english.name} beside it, expected the English sentences there. "
            "Fix: add the file, or take this one away."
        )
    return Source(file, english, language)
