"""Prodigy: tasks as JSONL, and what `prodigy db-out` writes. Offsets are code points."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...corpora.jsonl import read_jsonl
from ...files.errors import malformed
from .json_files import entity, language_of, listed, names, text_of
from .predict import Labels
from .records import Notes, Record


def write(records: Iterable[Record], labels: Labels, model: str) -> Iterator[str]:
    """Write tasks for the interfaces `ner_manual` and `choice`.

    records (Iterable[Record]): The texts.
    labels (Labels): What is annotated.
    model (str): The pipeline's name and version.
    YIELDS (str): The lines of a file.
    """
    for record in records:
        meta = {**record.meta, "model": model}
        if record.language is not None:
            meta["language"] = record.language
        if record.confidence is not None:
            meta["confidence"] = round(record.confidence, 3)
        task: dict[str, Any] = {"text": record.text, "meta": meta}
        if labels.entities:
            task["tokens"] = _tokens(record)
            task["spans"] = _spans(record)
        if labels.categories:
            task["options"] = [{"id": label, "text": label} for label in labels.categories]
            task["accept"] = record.categories
        yield json.dumps(task, ensure_ascii=False) + "\n"


def _tokens(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "text": record.text[start:end],
            "start": start,
            "end": end,
            "id": number,
            "ws": record.text[end : end + 1] == " ",
        }
        for number, (start, end) in enumerate(record.tokens)
    ]


def _spans(record: Record) -> list[dict[str, Any]]:
    begins = {start: number for number, (start, _) in enumerate(record.tokens)}
    ends = {end: number for number, (_, end) in enumerate(record.tokens)}
    return [
        {
            "start": ent.start,
            "end": ent.end,
            "token_start": begins[ent.start],
            # The last token, not the one after it.
            "token_end": ends[ent.end],
            "label": ent.label,
            **({} if ent.confidence is None else {"confidence": ent.confidence}),
        }
        for ent in record.entities
    ]


def setup(labels: Labels) -> str:
    """RETURNS (str): Labels as the recipes take them."""
    return "\n".join(
        f"--label {','.join(some)}" for some in (labels.entities, labels.categories) if some
    )


def read(path: Path, notes: Notes) -> Iterator[Record]:
    """Read annotated tasks. One without an answer counts as accepted, as in `prodigy db-in`.

    path (Path): The file.
    notes (Notes): Counts what is left out.
    YIELDS (Record): The accepted texts.
    RAISES (ValueError): A line is not what it should be.
    """
    for line, task in read_jsonl(path):
        if task.get("answer", "accept") != "accept":
            notes.counts["rejected"] += 1
            continue
        text = text_of(path, line, task)
        spans = listed(path, line, task, "spans")
        if not all(isinstance(span, dict) for span in spans):
            raise malformed(path, line, spans, "a list of spans", "Fix: export the file again.")
        entities = [
            entity(path, line, text, x, x.get("start"), x.get("end"), x.get("label")) for x in spans
        ]
        categories = names(path, line, task.get("accept") or [])
        notes.counts["ignored"] += len(listed(path, line, task, "relations"))
        # Binary decisions, as of textcat.teach.
        if isinstance(task.get("label"), str):
            categories.append(str(task["label"]))
        language = language_of(task, task.get("meta"))
        yield Record(text, entities, categories, language, line=line)
