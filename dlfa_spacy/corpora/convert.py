"""Corpus files and folders to `.spacy` files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spacy.tokens import Doc

from .docbin import SHARD_SIZE, TEXT_ATTRS, write_docs
from .formats import find_parts, parts_of
from .labelled_text import TEXT_FORMATS, labels_of
from .labels import order_labels
from .loading import ReadingOptions, read_docs, topics_of
from .naming import Part
from .sentence import ReadingNotes
from .subset import sample

OnDoc = Callable[[], None]


@dataclass
class Conversion:
    """The conversion of one language and split.

    part (Part): Language and split.
    inputs (List[Path]): The files read.
    output (Path): The file written, or the folder of files.
    n_docs (int): Docs written.
    n_tokens (int): Tokens written.
    n_entities (Dict[str, int]): Entities written, by type.
    n_labels (Dict[str, int]): Docs written for which a label holds, by label; all labels.
    notes (ReadingNotes): What was changed or left out while reading the whole input.
    """

    part: Part
    inputs: list[Path]
    output: Path
    n_docs: int = 0
    n_tokens: int = 0
    n_entities: dict[str, int] = field(default_factory=dict)
    n_labels: dict[str, int] = field(default_factory=dict)
    notes: ReadingNotes = field(default_factory=ReadingNotes)


def _count(docs: Iterable[Doc], result: Conversion, on_doc: OnDoc | None) -> Iterator[Doc]:
    for doc in docs:
        result.n_docs += 1
        result.n_tokens += len(doc)
        for ent in doc.ents:
            result.n_entities[ent.label_] = result.n_entities.get(ent.label_, 0) + 1
        if not result.n_labels.keys() >= doc.cats.keys():
            result.n_labels = {**result.n_labels, **dict.fromkeys(doc.cats, 0), **result.n_labels}
        for label in [label for label, value in doc.cats.items() if value >= 0.5]:
            result.n_labels[label] += 1
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
    shard_size: int = SHARD_SIZE,
) -> Conversion:
    """Convert the files of one language and split, pooled, into one `.spacy` file.

    More Docs than `shard_size` go to several files in a folder of that name, which spaCy reads all
    the same. Not more Docs than that are in memory.

    inputs (Sequence[Path]): The files, e.g. the test files of two treebanks.
    output (Path): The file to write. Nothing is written if any input is malformed.
    part (Part): Language and split.
    options (Optional[ReadingOptions]): How to read.
    topics (Iterable[str]): All topics of the corpus, see `topics_of_jobs`.
    limit (int): Docs to keep, a seeded draw over all inputs in their order; 0 for all.
    seed (int): Seed of that draw.
    on_doc (Optional[Callable[[], None]]): Called for each Doc written.
    shard_size (int): Docs per file.
    RETURNS (Conversion): Counts.
    RAISES (ValueError): If an input is malformed or holds nothing.
    """
    result = Conversion(part, list(inputs), output)
    options = options or ReadingOptions()
    labels = list(topics)
    texts_only = all(p.suffix != ".spacy" and options.kind(p) in TEXT_FORMATS for p in inputs)

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

    attrs = TEXT_ATTRS if texts_only else None
    write_docs(all_docs(), output, attrs=attrs, shard_size=shard_size)
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

    source (Path): A file, or a folder with `<lang>/<split>.<suffix>`, a UD release, XTREME's
        `test-de.tsv`, or XNLI's files, each with all languages.
    target (Path): For a file of one language, the `.spacy` file or a folder; for several
        languages, the folder that gets `<lang>/<split>.spacy`.
    language (Optional[str]): Language of a single file, or the only one to take of it.
    splits (Sequence[str]): Of a folder, only these splits; empty for all.
    languages (Sequence[str]): Of a folder, only these languages; empty for all.
    RETURNS (List[Job]): The files to write, sorted by language and split.
    RAISES (ValueError): If source and target do not fit together, or nothing is left to do.
    """
    if source.is_file():
        parts = parts_of(source, language)
        if len(parts) == 1:
            split = parts[0].split
            output = target if target.suffix == ".spacy" else target / f"{split}.spacy"
            return [Job(parts[0], [source], output)]
        by_part = {part: [source] for part in parts}
    else:
        by_part = {}
    if not source.is_file() and not source.is_dir():
        raise ValueError(f"{source}: found nothing there, expected a file or a folder.")
    if target.suffix == ".spacy":
        raise ValueError(
            f"{target}: found a file name, expected a folder, because {source} has "
            "several languages. Leave off the .spacy."
        )
    jobs = [
        Job(part, paths, target / part.language / f"{part.split}.spacy")
        for part, paths in (by_part or find_parts(source)).items()
        if (not splits or part.split in splits) and (not languages or part.language in languages)
    ]
    if not jobs:
        raise ValueError(
            f"{source}: found no file of languages {', '.join(languages) or 'any'} and splits "
            f"{', '.join(splits) or 'any'}, expected at least one. Check --langs and --splits."
        )
    return jobs


def topics_of_jobs(
    jobs: Iterable[Job], options: ReadingOptions, train: Iterable[Job] = ()
) -> list[str]:
    """Collect the topics or labels of all inputs, so that every Doc knows the same ones.

    Every line of labeled texts is checked on the way, before anything is written. If there is a
    training set, its labels are those of the corpus.

    jobs (Iterable[Job]): The jobs.
    options (ReadingOptions): How to read.
    train (Iterable[Job]): Jobs whose training sets count, though they are not converted now.
    RETURNS (List[str]): The labels, in one order for all; empty if the corpus has none.
    RAISES (ValueError): If a labeled text is malformed, or has a label that the training set has
        not.
    """
    topics: set[str] = set()
    texts: dict[Path, bool] = {}
    for wanted, job in [*((True, job) for job in jobs), *((False, job) for job in train)]:
        is_train = job.part.split == "train"
        for path in job.inputs:
            if path.suffix != ".spacy" and options.kind(path) in TEXT_FORMATS:
                if wanted or is_train:
                    texts[path] = is_train
            elif wanted:
                topics |= topics_of(path, options)
    if options.labels or not texts:
        for path in texts:
            topics_of(path, options)
        return [*options.labels, *sorted(topics - {*options.labels})]
    first = [path for path, is_train in texts.items() if is_train] or list(texts)
    topics |= {label for path in first for label in topics_of(path, options)}
    labels = order_labels(topics)
    for path in texts:
        if path not in first:
            labels_of(path, format=options.kind(path), labels=labels)
    return labels
