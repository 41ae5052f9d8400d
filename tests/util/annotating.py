"""A small pipeline with rules, texts for it, and what a job has written."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from dlfa_spacy.annotation import AnnotationSettings, Summary, annotate

CODE = Path(__file__).with_name("annotating_code.py")
COLUMNS = {"start", "end", "label", "confidence"}


class Counts:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.texts = self.done = self.failed = 0
        self.deaths: list[str] = []

    def planned(self, texts: int, done: int, failed: int) -> None:
        self.texts, self.done, self.failed = texts, done, failed

    def moved(self, texts: int, words: int, failed: int) -> None:
        self.done += texts
        self.failed += failed

    def died(self, reason: str) -> None:
        self.deaths.append(reason)


def rules(folder: Path, *components: str) -> str:
    """RETURNS (str): Folder of a pipeline that finds Ada and Rome."""
    ruler(*components).to_disk(folder)
    return str(folder)


def ruler(*components: str) -> Language:
    """RETURNS (Language): A pipeline that finds Ada and Rome, and does what a text asks."""
    spacy.util.import_file("python_code", CODE)
    nlp = spacy.blank("xx")
    patterns = [{"label": "PER", "pattern": "Ada"}, {"label": "LOC", "pattern": "Rome"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    for name in components or ("obedient",):
        nlp.add_pipe(name)
    return nlp


def settings(model: str, **values: Any) -> AnnotationSettings:
    return AnnotationSettings(model, code=str(CODE), **values)


def job(given: Path | str, out: Path, model: str, workers: int = 1, **values: Any) -> Summary:
    return annotate(str(given), out, settings(model, **values), devices=[-1] * workers)


def write_jsonl(path: Path, rows: Sequence[Any]) -> Path:
    """Strings are texts; bytes are whole lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for row in rows:
        if isinstance(row, str):
            row = {"text": row}
        lines.append(row if isinstance(row, bytes) else json.dumps(row).encode())
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def rows(out: Path) -> list[dict[str, Any]]:
    """RETURNS: The rows of a result, in the order of the names of their files."""
    found = []
    for path in sorted((out / "rows").iterdir()):
        found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return found


def failures(out: Path) -> list[dict[str, Any]]:
    lines = (out / "failed.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def content(out: Path) -> dict[str, str]:
    """RETURNS: A hash of every file, those included that should not be there."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
