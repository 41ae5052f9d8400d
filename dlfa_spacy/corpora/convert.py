"""Corpus files and folders to `.spacy` files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc

from .docbin import write_docs
from .formats import Part, find_parts, part_of
from .loading import ReadingOptions, read_docs, topics_of
from .sentence import ReadingNotes
from .subset import sample

OnDoc = Callable[[], None]


@dataclass
class Conversion:
    """What became of one language and split.

    part (Part): Language and split.
    inputs (List[Path]): The files read.
    output (Path): The file written.
    n_docs (int): Docs written.
    n_tokens (int): Tokens written.
    n_entities (Dict[str, int]): Entities written, by type.
    notes (ReadingNotes): What was changed or left out while reading the whole input.
    """

    part: Part
    inputs: list[Path]
    output: Path
    n_docs: int = 0
    n_tokens: int = 0
    n_entities: dict[str, int] = field(default_factory=dict)
    notes: ReadingNotes = field(default_factory=ReadingNotes)


def _count(docs: Iterable[Doc], result: Conversion, on_doc: OnDoc | None) -> Iterator[Doc]:
    for doc in docs:
        result.n_docs += 1
        result.n_tokens += len(doc)
        for ent in doc.ents:
            result.n_entities[ent.label_] = result.n_entities.get(ent.label_, 0) + 1
        if on_doc is not None:
            on_doc()
        yield doc


def convert_files(
    inputs: Sequence[Path],
    output: Path,
    part: Part,
    *,
    options: ReadingOptions | None = None,
    topics: Iterable[str] = (),
    limit: int = 0,
    seed: int = 0,
    on_doc: OnDoc | None = None,
) -> Conversion:
    """Convert the files of one language and split, pooled, into one `.spacy` file.

    inputs (Sequence[Path]): The files, e.g. the test files of two treebanks.
    output (Path): The file to write. Nothing is written if any input is malformed.
    part (Part): Language and split.
    options (Optional[ReadingOptions]): How to read.
    topics (Iterable[str]): All topics of the corpus.
    limit (int): Docs to keep, a seeded draw over all inputs in their order; 0 for all.
    seed (int): Seed of that draw.
    on_doc (Optional[Callable[[], None]]): Called for each Doc written.
    RETURNS (Conversion): Counts.
    RAISES (ValueError): If an input is malformed or holds nothing.
    """
    result = Conversion(part, list(inputs), output)
    options = options or ReadingOptions()
    labels = set(topics)

    def stream(notes: ReadingNotes) -> Iterator[Doc]:
        for path in inputs:
            yield from read_docs(
                path, language=part.language, options=options, topics=labels, notes=notes
            )

    # A draw needs to know how many there are, after everything that reading leaves out.
    total = sum(1 for _ in stream(ReadingNotes())) if limit > 0 else 0
    docs = sample(stream(result.notes), total, limit, seed)
    counted = _count(docs, result, on_doc)
    first = next(counted, None)
    if first is None:
        names = ", ".join(str(path) for path in inputs)
        raise ValueError(f"{names}: found no sentences, expected at least one. Is the file empty?")

    def all_docs() -> Iterator[Doc]:
        yield first
        yield from counted

    write_docs(all_docs(), output)
    return result


@dataclass(frozen=True)
class Job:
    """One file to write: what to read, and where to put it."""

    part: Part
    inputs: list[Path]
    output: Path


def plan(
    source: Path,
    target: Path,
    *,
    language: str | None = None,
    splits: Sequence[str] = (),
    languages: Sequence[str] = (),
) -> list[Job]:
    """Say what converting `source` to `target` would write.

    source (Path): A file, or a folder with `<lang>/<split>.<suffix>` or a UD release.
    target (Path): For a file, the `.spacy` file or a folder; for a folder, the folder that gets
        `<lang>/<split>.spacy`.
    language (Optional[str]): Language of a single file.
    splits (Sequence[str]): Of a folder, only these splits; empty for all.
    languages (Sequence[str]): Of a folder, only these languages; empty for all.
    RETURNS (List[Job]): The files to write, sorted by language and split.
    RAISES (ValueError): If source and target do not fit together, or nothing is left to do.
    """
    if source.is_file():
        part = part_of(source, language)
        output = target if target.suffix == ".spacy" else target / f"{part.split}.spacy"
        return [Job(part, [source], output)]
    if not source.is_dir():
        raise ValueError(f"{source}: found nothing there, expected a file or a folder.")
    if target.suffix == ".spacy":
        raise ValueError(
            f"{target}: found a file name, expected a folder, because {source} is a folder with "
            "several languages. Leave off the .spacy."
        )
    jobs = [
        Job(part, paths, target / part.language / f"{part.split}.spacy")
        for part, paths in find_parts(source).items()
        if (not splits or part.split in splits) and (not languages or part.language in languages)
    ]
    if not jobs:
        raise ValueError(
            f"{source}: found no file of languages {', '.join(languages) or 'any'} and splits "
            f"{', '.join(splits) or 'any'}, expected at least one. Check --langs and --splits."
        )
    return jobs


def topics_of_jobs(jobs: Iterable[Job], options: ReadingOptions) -> list[str]:
    """Collect the topics of all inputs, so that every Doc knows the same labels.

    jobs (Iterable[Job]): The jobs.
    options (ReadingOptions): How to read.
    RETURNS (List[str]): The topics, sorted; empty if the corpus has none.
    """
    topics = set()
    for job in jobs:
        for path in job.inputs:
            topics |= topics_of(path, options)
    return sorted(topics)
