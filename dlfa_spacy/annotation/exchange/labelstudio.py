"""Label Studio: tasks with predictions to import, and its JSON export.

Offsets are code points, as in Python (its frontend converts JavaScript's). Versions of 2021 and
before exported UTF-16 units, in which an emoji counts two: the text of each entity, which is in the
export too, tells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from ...files.errors import malformed
from ...files.writing import open_file
from .json_files import entity, language_of, listed, names, text_of
from .predict import Labels
from .records import Entity, Notes, Record

# The names of the tags in the labeling config.
LABELS, CHOICES, TEXT = "label", "category", "text"


def write(records: Iterable[Record], labels: Labels, model: str) -> Iterator[str]:
    """Write tasks with predictions.

    records (Iterable[Record]): The texts.
    labels (Labels): What is annotated.
    model (str): The pipeline's name and version.
    YIELDS (str): The parts of a file.
    """
    before = "[\n"
    for record in records:
        yield before + json.dumps(_task(record, model), ensure_ascii=False)
        before = ",\n"
    yield "]\n" if before == ",\n" else "[]\n"


def _task(record: Record, model: str) -> dict[str, Any]:
    data: dict[str, Any] = {"text": record.text, "language": record.language}
    if record.meta:
        data["meta"] = record.meta
    results = [_labels(number, ent, record.text) for number, ent in enumerate(record.entities)]
    if record.categories:
        choices = {"choices": record.categories}
        results.append(
            {"id": "c", "from_name": CHOICES, "to_name": TEXT, "type": "choices", "value": choices}
        )
    prediction: dict[str, Any] = {"model_version": model, "result": results}
    if record.confidence is not None:
        prediction["score"] = record.confidence
    return {"data": data, "predictions": [prediction]}


def _labels(number: int, ent: Entity, text: str) -> dict[str, Any]:
    result: dict[str, Any] = {
        "id": f"e{number}",
        "from_name": LABELS,
        "to_name": TEXT,
        "type": "labels",
        "value": {
            "start": ent.start,
            "end": ent.end,
            "text": text[ent.start : ent.end],
            "labels": [ent.label],
        },
    }
    if ent.confidence is not None:
        result["score"] = ent.confidence
    return result


def setup(labels: Labels) -> str:
    """RETURNS (str): The labeling config of a project for these labels."""
    lines = ["<View>"]
    if labels.entities:
        lines.append(f'  <Labels name="{LABELS}" toName="{TEXT}">')
        lines += [f"    <Label value={quoteattr(label)}/>" for label in labels.entities]
        lines.append("  </Labels>")
    lines.append(f'  <Text name="{TEXT}" value="$text"/>')
    if labels.categories:
        kind = "single" if labels.exclusive else "multiple"
        lines.append(f'  <Choices name="{CHOICES}" toName="{TEXT}" choice="{kind}">')
        lines += [f"    <Choice value={quoteattr(label)}/>" for label in labels.categories]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>"])


def read(path: Path, notes: Notes) -> Iterator[Record]:
    """Read the export in the format JSON.

    path (Path): The file.
    notes (Notes): Counts what is left out.
    YIELDS (Record): The annotated texts.
    RAISES (ValueError): It is something else, such as the format JSON-MIN.
    """
    with open_file(path) as file_:
        try:
            tasks = json.loads(file_.read().decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise malformed(path, 1, str(error), "a JSON file", "Fix: export it again.") from error
    for number, task in enumerate(tasks if isinstance(tasks, list) else [tasks], start=1):
        if not isinstance(task, dict) or not isinstance(task.get("data"), dict):
            raise malformed(
                path,
                number,
                task,
                'tasks with "data" and "annotations"',
                "Fix: export the project as JSON, not as JSON-MIN, CSV or CoNLL.",
            )
        results = _results(path, number, task, notes)
        if results is not None:
            yield _record(path, number, task["data"], results, notes)


def _results(path: Path, number: int, task: dict[str, Any], notes: Notes) -> list[Any] | None:
    """RETURNS (Optional[List[Any]]): What a person said; None if nobody said anything."""
    # Some exports have the annotations as numbers only.
    annotations = [
        found for found in listed(path, number, task, "annotations") if isinstance(found, dict)
    ]
    kept = [found for found in annotations if not found.get("was_cancelled")]
    if not kept:
        notes.counts["rejected" if annotations else "unanswered"] += 1
        return None
    notes.counts["several"] += len(kept) - 1
    # The ground truth if somebody named it, else the last word.
    best = next((found for found in kept if found.get("ground_truth")), kept[-1])
    return listed(path, number, best, "result")


def _record(
    path: Path, number: int, data: dict[str, Any], results: list[Any], notes: Notes
) -> Record:
    text = text_of(path, number, data)
    entities: list[Entity] = []
    categories: list[str] = []
    for result in results:
        kind = result.get("type") if isinstance(result, dict) else None
        value = result.get("value") if kind in ("labels", "choices") else None
        if not isinstance(value, dict):
            notes.counts["ignored"] += 1
        elif kind == "choices":
            categories += names(path, number, value.get("choices"))
        else:
            entities.append(_entity(path, number, text, value, notes))
    return Record(text, entities, categories, language_of(data, data.get("meta")), line=number)


def _entity(path: Path, number: int, text: str, value: dict[str, Any], notes: Notes) -> Entity:
    labels = names(path, number, value.get("labels"))
    notes.counts["ignored"] += len(labels[1:])
    start, end = value.get("start"), value.get("end")
    quoted = value.get("text")
    if isinstance(quoted, str) and isinstance(start, int) and isinstance(end, int):
        units = text.encode("utf-16-le", "surrogatepass")
        before, inside = (
            part.decode("utf-16-le", "replace")
            for part in (units[: 2 * start], units[2 * start : 2 * end])
        )
        if text[start:end] != quoted == inside:
            notes.counts["utf16"] += 1
            start, end = len(before), len(before) + len(inside)
    return entity(path, number, text, value, start, end, labels[0] if labels else None)
