"""doccano: JSONL of its projects for sequences, for texts, and for both. Offsets are code points.

What has another key than text and labels is metadata to doccano, which it shows and exports again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...corpora.jsonl import read_jsonl
from .json_files import entity, language_of, listed, text_of
from .predict import Labels
from .records import Entity, Notes, Record

# The same in projects of several kinds and versions.
_KEYS = ("label", "labels", "entities", "cats")


def write(records: Iterable[Record], labels: Labels, model: str) -> Iterator[str]:
    """Write what the import of a project takes: `label`, or `entities` and `cats` for a project
    with both (intent detection and slot filling).

    records (Iterable[Record]): The texts.
    labels (Labels): What is annotated.
    model (str): The pipeline's name and version.
    YIELDS (str): The lines of a file.
    """
    both = labels.entities and labels.categories
    for record in records:
        row: dict[str, Any] = {"text": record.text}
        if labels.entities:
            spans = [[ent.start, ent.end, ent.label] for ent in record.entities]
            row["entities" if both else "label"] = spans
        if labels.categories:
            row["cats" if both else "label"] = record.categories
        row |= {"language": record.language, "model_version": model}
        row |= {"confidence": record.confidence} if record.confidence is not None else {}
        yield json.dumps({**record.meta, **row}, ensure_ascii=False) + "\n"


def setup(labels: Labels) -> str:
    """RETURNS (str): Labels as the page Labels imports them."""
    parts = [some for some in (labels.entities, labels.categories) if some]
    return "\n".join(
        json.dumps([{"text": label} for label in some], ensure_ascii=False) for some in parts
    )


def read(path: Path, notes: Notes) -> Iterator[Record]:
    """Read an export.

    path (Path): The file.
    notes (Notes): Counts what is left out.
    YIELDS (Record): The texts.
    RAISES (ValueError): A line is not what it should be.
    """
    for line, row in read_jsonl(path):
        text = text_of(path, line, row)
        entities: list[Entity] = []
        categories: list[str] = []
        if all(row.get(key) is None for key in _KEYS):
            notes.counts["unanswered"] += 1
            continue
        for label in (label for key in _KEYS for label in listed(path, line, row, key)):
            if isinstance(label, str):
                categories.append(label)
            else:
                entities.append(_entity(path, line, text, label))
        notes.counts["ignored"] += len(listed(path, line, row, "relations"))
        yield Record(text, entities, categories, language_of(row, row.get("meta")), line=line)


def _entity(path: Path, line: int, text: str, found: Any) -> Entity:
    if isinstance(found, dict):
        values = (found.get("start_offset"), found.get("end_offset"), found.get("label"))
        return entity(path, line, text, found, *values)
    if isinstance(found, list) and len(found) == 3:
        return entity(path, line, text, found, *found)
    return entity(path, line, text, found, None, None, None)
