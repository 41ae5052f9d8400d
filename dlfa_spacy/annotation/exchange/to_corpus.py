"""Corrected records to a corpus that a pipeline is trained on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spacy.tokens import Doc, Span
from spacy.util import filter_spans

from ...checks import check_choice
from ...corpora import set_language, write_docs
from ...corpora.text_docs import MakeDoc, blank_tokenizer
from ...files.errors import malformed
from ...files.plain_names import is_language
from .records import Entity, Notes, Record

# What becomes of an entity that begins or ends inside a token.
ALIGNMENTS = ("expand", "drop")


def write_corpus(
    records: Iterable[Record],
    target: Path,
    *,
    source: Path,
    notes: Notes,
    language: str | None = None,
    make_doc: MakeDoc | None = None,
    misaligned: str = "expand",
    split: str = "train",
) -> dict[str, int]:
    """Write `<language>/<split>.spacy` files, after all records have been read.

    records (Iterable[Record]): The texts.
    target (Path): The corpus folder.
    source (Path): Where the records come from, for errors.
    notes (Notes): Counts what does not fit.
    language (Optional[str]): Of the records that do not have one.
    make_doc (Optional[Callable[[str], Doc]]): The tokenizer; by default that of shipped configs.
    misaligned (str): "expand" an entity to whole tokens, or "drop" it.
    split (str): The name of the files.
    RETURNS (Dict[str, int]): Language -> number of texts.
    RAISES (ValueError): A record has no language, or there are none.
    """
    check_choice("--misaligned", misaligned, ALIGNMENTS)
    kept = list(records)
    if not kept:
        raise ValueError(
            f"{source}: found no annotated text that was accepted, expected one or more. Fix: "
            "annotate first, and export what was annotated."
        )
    by_language: dict[str, list[Record]] = {}
    for record in kept:
        by_language.setdefault(_language(record, language, source), []).append(record)
    # What nobody annotated in the whole file was not asked for: it is missing, not absent.
    has_entities = any(record.entities for record in kept)
    categories = list(dict.fromkeys(name for record in kept for name in record.categories))
    make_doc = make_doc or blank_tokenizer()
    for name, some in by_language.items():
        docs = []
        for record in some:
            doc = make_doc(record.text)
            set_language(doc, name)
            if has_entities or not categories:
                set_entities(doc, record.entities, misaligned, notes)
            doc.cats = {label: float(label in record.categories) for label in categories}
            docs.append(doc)
        write_docs(docs, target / name / f"{split}.spacy")
    return {name: len(some) for name, some in by_language.items()}


def set_entities(doc: Doc, entities: Iterable[Entity], misaligned: str, notes: Notes) -> None:
    """Set `doc.ents`. White space around an entity is no part of it.

    doc (Doc): The Doc.
    entities (Iterable[Entity]): Its entities.
    misaligned (str): "expand" or "drop" those that begin or end inside a token.
    notes (Notes): Counts those that do not fit.
    """
    spans: list[Span] = []
    for ent in entities:
        text = doc.text[ent.start : ent.end]
        start = ent.start + len(text) - len(text.lstrip())
        end = ent.end - len(text) + len(text.rstrip())
        if start >= end:
            notes.counts["empty"] += 1
            continue
        span = doc.char_span(start, end, label=ent.label)
        if span is None:
            notes.counts["misaligned"] += 1
            if misaligned == "expand":
                span = doc.char_span(start, end, label=ent.label, alignment_mode="expand")
        if span is not None:
            spans.append(span)
    chosen = filter_spans(spans)
    notes.counts["overlapping"] += len(spans) - len(chosen)
    doc.set_ents(chosen)


def _language(record: Record, default: str | None, source: Path) -> str:
    language = record.language or default
    if language is None or not is_language(language):
        raise malformed(
            source,
            record.line,
            language,
            'the language of the text, such as "de", as "language" in the record',
            "Fix: --language de, if all that have none are in that language.",
        )
    return language
