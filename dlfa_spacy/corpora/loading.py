"""Docs from a corpus file of any format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from .conllu import MULTIWORD, read_conllu, scan_conllu
from .documents import make_cats, sentence_to_doc, split_long
from .formats import FORMATS, detect_format
from .iob2 import SPACES, read_iob2
from .labelled_text import labels_of, read_labelled_text
from .language import get_language, register_language_extension, set_language
from .sentence import ReadingNotes, Sentence


@dataclass(frozen=True)
class ReadingOptions:
    """How to read public formats. Ignored for `.spacy` files, which are read as they are.

    format (str): `"conllu"`, `"iob2"`, `"tsv"` (labelled texts), or `"auto"`.
    multiword (str): CoNLL-U: `"surface"` or `"syntactic"` words, see `read_conllu`.
    spaces (str): IOB2: `"auto"`, `"always"` or `"none"`, see `read_iob2`.
    max_length (int): Cut sentences of more tokens, see `split_long`; 0 for no limit.
    """

    format: str = "auto"
    multiword: str = "surface"
    spaces: str = "auto"
    max_length: int = 0

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("format", self.format, ("auto", *FORMATS)),
            ("multiword", self.multiword, MULTIWORD),
            ("spaces", self.spaces, SPACES),
        ):
            if value not in allowed:
                raise ValueError(f"{key}: found {value!r}, expected one of {', '.join(allowed)}.")
        if self.max_length < 0:
            raise ValueError(f"max_length: found {self.max_length}, expected 0 (no limit) or more.")


def topics_of(path: Path, options: ReadingOptions) -> set[str]:
    """Collect the topics of a file, without reading its tokens.

    path (Path): The file.
    options (ReadingOptions): How to read it.
    RETURNS (Set[str]): Its topics; empty if it has none.
    """
    kind = detect_format(path) if options.format == "auto" else options.format
    if kind == "tsv":
        return labels_of(path)
    return scan_conllu(path).topics if kind == "conllu" else set()


def _sentences(
    path: Path, kind: str, language: str, options: ReadingOptions, notes: ReadingNotes
) -> Iterator[Sentence]:
    if kind == "conllu":
        sentences = read_conllu(path, language=language, multiword=options.multiword, notes=notes)
    else:
        sentences = read_iob2(path, language=language, spaces=options.spaces, notes=notes)
    for sentence in sentences:
        yield from split_long(sentence, options.max_length, notes)


def _from_docbin(path: Path, vocab: Vocab, language: str | None) -> Iterator[Doc]:
    try:
        doc_bin = DocBin(store_user_data=True).from_disk(path)
    except Exception as error:
        # zlib, msgpack and srsly each raise their own kind for a damaged file.
        raise ValueError(
            f"{path}: found a file that is not a readable DocBin ({error}), expected one written "
            "by `dlfa convert`. Convert the corpus again."
        ) from error
    for doc in doc_bin.get_docs(vocab):
        if get_language(doc) is None and language is not None:
            set_language(doc, language)
        yield doc


def read_docs(
    path: Path,
    *,
    vocab: Vocab | None = None,
    language: str | None = None,
    options: ReadingOptions | None = None,
    topics: Iterable[str] = (),
    make_doc: Callable[[str], Doc] | None = None,
    notes: ReadingNotes | None = None,
) -> Iterator[Doc]:
    """Read Docs from a `.spacy`, CoNLL-U, IOB2 or labelled-text file.

    path (Path): The file.
    vocab (Optional[Vocab]): The vocab of the Docs; by default that of a blank "xx" pipeline.
    language (Optional[str]): Language code, for `doc._.language` and for language-dependent rules.
    options (Optional[ReadingOptions]): How to read public formats.
    topics (Iterable[str]): All topics of the corpus, if it has any beyond those of this file.
    make_doc (Optional[Callable[[str], Doc]]): Tokenizes labelled texts; by default a blank "xx"
        pipeline.
    notes (Optional[ReadingNotes]): Receives the counts of what was changed or left out.
    YIELDS (Doc): The Docs, in order.
    RAISES (ValueError): If the file is malformed, naming file and line.
    """
    register_language_extension()
    options = options or ReadingOptions()
    notes = notes if notes is not None else ReadingNotes()
    if vocab is None or make_doc is None:
        blank = spacy.blank("xx", vocab=vocab if vocab is not None else True)
        vocab, make_doc = blank.vocab, make_doc or blank.make_doc
    if path.suffix == ".spacy":
        for doc in _from_docbin(path, vocab, language):
            notes.counts["sentences"] += 1
            notes.counts["tokens"] += len(doc)
            yield doc
        return
    kind = detect_format(path) if options.format == "auto" else options.format
    if kind == "tsv":
        labels = set(topics) or labels_of(path)
        for text, label in read_labelled_text(path, notes=notes):
            doc = make_doc(text)
            doc.cats = make_cats(label, labels)
            set_language(doc, language)
            notes.counts["tokens"] += len(doc)
            yield doc
        return
    labels = set(topics) or topics_of(path, options)
    for sentence in _sentences(path, kind, language or "xx", options, notes):
        yield sentence_to_doc(sentence, vocab, language=language, topics=labels)
