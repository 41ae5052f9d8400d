"""What the commands of `dlfa analyze` read."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..console import comma_list, progress

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

    from ...parallel.text import ParallelText


def wanted_languages(path: Path, files: Iterable[str], langs: str) -> list[str]:
    """RETURNS (List[str]): Those of --langs, or all that have a file.

    RAISES (ValueError): One of --langs has no file.
    """
    found = list(files)
    wanted = comma_list(langs) or found
    missing = [name for name in wanted if name not in found]
    if missing:
        raise ValueError(
            f"{path}: has no {', '.join(missing)}, only {', '.join(found)}. Fix: check --langs."
        )
    return wanted


def read_texts(path: Path, langs: str, limit: int, quiet: bool) -> "Iterator[ParallelText]":
    """YIELDS (ParallelText): The languages wanted, with a progress bar over them."""
    from ...parallel.text import parallel_files, read_parallel

    files = parallel_files(path)
    wanted = wanted_languages(path, files, langs)
    with progress(quiet=quiet) as bar:
        task = bar.add_task("Languages", total=len(wanted), detail="")
        for name in wanted:
            bar.update(task, description=f"Reading {name}")
            yield read_parallel(files[name], limit)
            bar.advance(task)


def read_sentences(path: Path, langs: str, limit: int, quiet: bool) -> dict[str, list[str]]:
    """RETURNS (Dict[str, List[str]]): Language -> sentences."""
    from ...analysis.raw_text import raw_files, read_raw

    if path.is_dir() and sorted(path.glob("*.txt")):
        files = raw_files(path)
        wanted = comma_list(langs) or list(files)
        return {name: read_raw(files[name], limit) for name in wanted if name in files}
    found: dict[str, list[str]] = {}
    for text in read_texts(path, langs, limit, quiet):
        found.setdefault("en", text.english)
        found[text.language] = text.foreign
    return found


def read_gold(nlp: "Language", corpus: Path, langs: str, split: str, limit: int) -> "Iterator[Doc]":
    """YIELDS (Doc): Texts of a corpus with their gold tokens and tags."""
    from itertools import islice

    from ...corpora import read_docs
    from ...corpora.folder import LanguageFiles, find_languages

    def docs(files: LanguageFiles) -> "Iterator[Doc]":
        for path in files.paths:
            yield from read_docs(path, vocab=nlp.vocab, language=files.language)

    for files in find_languages(corpus, comma_list(split), comma_list(langs)):
        yield from islice(docs(files), limit or None)
