"""One process, in order, to a stream: for pipes of a shell."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from . import lines
from .annotator import Annotated, Annotator
from .output import json_line
from .records import Record
from .settings import AnnotationSettings
from .shards import read, scan
from .sources import LINES, STDIN, TEXT, Source, find_sources


def annotate_stream(
    given: str,
    out: BinaryIO,
    settings: AnnotationSettings,
    *,
    gpu_id: int = -1,
    on_shard: Callable[[Annotated], None] = lambda annotated: None,
) -> None:
    """Annotate texts in order, a shard at a time.

    given (str): A file, a folder, a pattern, or "-" for stdin.
    out (BinaryIO): Takes the rows as JSONL.
    settings (AnnotationSettings): The pipeline and the options.
    gpu_id (int): GPU, or -1 for the CPU.
    on_shard (Callable[[Annotated], None]): Told of each shard, after its rows were written.
    RAISES (ValueError): The input or an option is not right.
    """
    parts = _stdin(settings) if given == STDIN else _files(given, settings)
    annotator = Annotator.of(settings, gpu_id)
    for records in parts:
        annotated = annotator.annotate(records, json_line)
        out.writelines(annotated.rows)
        out.flush()
        on_shard(annotated)


def _files(given: str, settings: AnnotationSettings) -> Iterator[list[Record]]:
    for number, source in enumerate(find_sources(given)[1]):
        for shard in scan(number, source, settings)[1]:
            yield list(read(shard, settings))


def _stdin(settings: AnnotationSettings) -> Iterator[list[Record]]:
    numbered = enumerate(sys.stdin.buffer, start=1)
    first = next(numbered, None)
    if first is None:
        return
    source = Source("stdin", Path(STDIN), _kind(first[1]))
    numbered = itertools.chain([first], numbered)  # type: ignore[assignment]
    while part := list(itertools.islice(numbered, settings.shard_size)):
        rows = [lines.parse(source, number, raw, settings) for number, raw in part]
        yield [row for row in rows if row is not None]


def sniff(path: Path) -> Source:
    """
    path (Path): A file that was stdin.
    RETURNS (Source): It.
    """
    with path.open("rb") as file_:
        return Source("stdin", path, _kind(file_.readline()))


def _kind(line: bytes) -> str:
    """RETURNS (str): What a text is that begins with a line: a name that says it, it has not."""
    return LINES if line.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else TEXT
