"""Texts to annotate, from JSONL, plain lines or a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...corpora import read_docs
from ...corpora.jsonl import read_jsonl
from ...files.lines import numbered_lines
from ...language import get_language
from .json_files import language_of, text_of
from .records import Record


def read_texts(path: Path) -> Iterator[Record]:
    """Read texts, without the annotations that they may have. Blank ones, which no tool takes, are
    left out.

    path (Path): `.jsonl` (an object a line, with "text", and "language" or "lang" and "meta" if it
        has them), `.spacy`, or any other file with a text a line.
    RETURNS (Iterator[Record]): Text, language and meta.
    RAISES (ValueError): A line is not what it should be.
    """
    return (record for record in _read(path) if record.text.strip())


def _read(path: Path) -> Iterator[Record]:
    if path.suffix == ".jsonl":
        for line, row in read_jsonl(path):
            meta = row.get("meta")
            yield Record(
                text_of(path, line, row),
                language=language_of(row, meta),
                meta=dict(meta) if isinstance(meta, dict) else {},
                line=line,
            )
    elif path.suffix == ".spacy":
        for number, doc in enumerate(read_docs(path), start=1):
            yield Record(doc.text, language=get_language(doc), line=number)
    else:
        for line, text in numbered_lines(path):
            yield Record(text, line=line)
