"""The texts that a teacher labels, once, in parts that are complete or not there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch

from ...corpora.docbin import write_docs
from ...corpora.loading import read_docs
from ...corpora.streaming import SUFFIXES, corpus_files
from ...files.lines import numbered_lines
from ...files.writing import write_text
from ...language import set_language
from .soft_labels import kind_of, score_docs, soft_labels
from .soft_loss import entropy

# Texts of a part: what is done again after a kill, and what is in memory at once.
PART = 2000
BATCH = 128
MANIFEST = "labels.json"


@dataclass(frozen=True)
class Texts:
    """What a teacher labels.

    path (Path): A corpus, or raw text with one text a line (.txt); a file or a folder.
    language (str): Of the texts, where they do not say.
    limit (int): Texts to read; 0 for all.
    """

    path: Path
    language: str = "en"
    limit: int = 0

    def read(self, nlp: Language) -> Iterator[Doc]:
        """
        nlp (Language): Whose tokenizer cuts texts without tokens of their own.
        YIELDS (Doc): The texts that are not empty.
        """
        number = 0
        for doc in self._all(nlp):
            if not len(doc):
                continue
            if self.limit and number == self.limit:
                return
            number += 1
            yield doc

    def _all(self, nlp: Language) -> Iterator[Doc]:
        for file in self.files():
            if file.suffix == ".txt":
                for _, line in numbered_lines(file):
                    doc = nlp.make_doc(line.strip())
                    set_language(doc, self.language)
                    yield doc
            else:
                make_doc = nlp.make_doc
                yield from read_docs(
                    file, vocab=nlp.vocab, language=self.language, make_doc=make_doc
                )

    def files(self) -> list[Path]:
        """RETURNS (List[Path]): The files, sorted."""
        if self.path.suffix == ".txt" and self.path.is_file():
            return [self.path]
        plain = sorted(self.path.rglob("*.txt")) if self.path.is_dir() else []
        if plain and not any(f.suffix in SUFFIXES for f in self.path.rglob("*")):
            return plain
        return corpus_files(self.path)

    def fingerprint(self) -> str:
        """RETURNS (str): A hash of all of it."""
        seen = hashlib.sha256(f"{self.language} {self.limit}".encode())
        for file in self.files():
            seen.update(file.read_bytes())
        return seen.hexdigest()


@dataclass(frozen=True)
class Labelled:
    """Labelled texts in a folder.

    parts (List[Path]): Its .spacy files, in order.
    entropies (Dict[str, float]): By component, mean entropy of a row of probabilities, in nats.
    """

    parts: list[Path]
    entropies: dict[str, float]


def label_texts(
    teacher: Language,
    student: Language,
    texts: Texts,
    folder: Path,
    names: Sequence[str],
    temperature: float,
    keep_gold: bool,
    identity: str,
    on_text: Callable[[int], None] = lambda n: None,
) -> Labelled:
    """Label texts, or find them labelled. A call that was killed goes on at the part it was in.

    teacher (Language): The teacher.
    student (Language): Whose tokenizer cuts raw text.
    texts (Texts): The texts.
    folder (Path): Where the parts are.
    names (Sequence[str]): Components whose probabilities are kept.
    temperature (float): See `soften`.
    keep_gold (bool): See `score_docs`.
    identity (str): Names the teacher and its version: labels of another are not used.
    on_text (Callable[[int], None]): Told how many texts are done, now and then.
    RETURNS (Labelled): What is in the folder then.
    RAISES (ValueError): There are labels of something else, or no texts.
    """
    key = {
        "teacher": identity,
        "texts": texts.fingerprint(),
        "components": list(names),
        "temperature": temperature,
        "gold": keep_gold,
    }
    manifest = folder / MANIFEST
    known: dict[str, Any] = {"key": key, "parts": []}
    if manifest.is_file():
        known = json.loads(manifest.read_text(encoding="utf-8"))
        if known["key"] != key:
            raise ValueError(
                f"{folder}: found labels of another teacher, of other texts, or of other settings: "
                f"expected {key}. Fix: another OUT, or --no-resume."
            )
    for number, part in enumerate(minibatch(texts.read(student), PART)):
        if number < len(known["parts"]):
            on_text(len(part))
            continue
        path = folder / f"part_{number:05d}.spacy"
        sums = dict.fromkeys(names, 0.0)
        rows = dict.fromkeys(names, 0)
        docs = []
        for batch in minibatch(part, BATCH):
            for doc in score_docs(teacher, batch, names, temperature, keep_gold):
                docs.append(doc)
                for name in names:
                    table = (soft_labels(doc, name) or {})["scores"]
                    sums[name] += entropy(table, str(kind_of(teacher.get_pipe(name))))
                    rows[name] += len(table)
            on_text(len(batch))
        write_docs(docs, path)
        known["parts"].append({"file": path.name, "entropy": sums, "rows": rows})
        write_text(manifest, json.dumps(known, indent=2) + "\n")
    if not known["parts"]:
        raise ValueError(f"{texts.path}: found no text to label. Expected some. Fix: other texts.")
    entropies = {
        name: sum(part["entropy"][name] for part in known["parts"])
        / max(1, sum(part["rows"][name] for part in known["parts"]))
        for name in names
    }
    return Labelled([folder / part["file"] for part in known["parts"]], entropies)
