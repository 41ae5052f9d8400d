"""Docs from a corpus file of any format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

import spacy
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..checks import check_choice
from ..language import get_language, register_language_extension, set_language
from .conllu import MULTIWORD, read_conllu, scan_conllu
from .docbin import count_docs, docbin_files, read_docbin
from .documents import sentence_to_doc, split_long
from .formats import FORMATS, detect_format
from .iob2 import SPACES, read_iob2
from .labelled_text import TEXT_FORMATS, labels_of, read_labelled_text
from .labels import check_label_count, order_labels
from .sentence import ReadingNotes, Sentence
from .text_docs import blank_tokenizer, text_to_doc


@dataclass(frozen=True)
class ReadingOptions:
    """How to read public formats. Ignored for `.spacy` files, which are read as they are.

    format (str): `"conllu"`, `"iob2"`, `"tsv"` or `"jsonl"` (labeled texts or pairs), `"xnli"`,
        `"pawsx"`, or `"auto"`.
    multiword (str): CoNLL-U: `"surface"` or `"syntactic"` words, see `read_conllu`.
    spaces (str): IOB2: `"auto"`, `"always"` or `"none"`, see `read_iob2`.
    max_length (int): Cut sentences of more tokens, see `split_long`; 0 for no limit.
    labels (Tuple[str, ...]): The labels of labeled texts, in order; a file may also number them.
        Empty to take those of the format or of the corpus.
    """

    format: str = "auto"
    multiword: str = "surface"
    spaces: str = "auto"
    max_length: int = 0
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("format", self.format, ("auto", *FORMATS)),
            ("multiword", self.multiword, MULTIWORD),
            ("spaces", self.spaces, SPACES),
        ):
            check_choice(key, value, allowed)
        if self.max_length < 0:
            raise ValueError(f"max_length: found {self.max_length}, expected 0 (no limit) or more.")
        if len({*self.labels}) < len(self.labels) or "" in self.labels:
            raise ValueError(
                f"labels: found {list(self.labels)}, expected different names. Fix: give each "
                "label once."
            )

    def kind(self, path: Path) -> str:
        """Tell the format of a file.

        path (Path): The file.
        RETURNS (str): The format asked for, or the one that the file is in.
        """
        return detect_format(path) if self.format == "auto" else self.format


def topics_of(path: Path, options: ReadingOptions) -> set[str]:
    """Collect the topics of a file, without reading its tokens.

    path (Path): The file.
    options (ReadingOptions): How to read it.
    RETURNS (Set[str]): Its topics; empty if it has none.
    """
    kind = options.kind(path)
    if kind in TEXT_FORMATS:
        labels = options.labels
        return set(labels_of(path, format=kind, labels=labels, numbered=bool(labels)))
    if kind != "conllu":
        return set()
    facts = scan_conllu(path)
    check_label_count(path, facts.topics_end, len(facts.topics), facts.n_sentences)
    return facts.topics


def _sentences(
    path: Path, kind: str, language: str, options: ReadingOptions, notes: ReadingNotes
) -> Iterator[Sentence]:
    if kind == "conllu":
        sentences = read_conllu(path, language=language, multiword=options.multiword, notes=notes)
    else:
        sentences = read_iob2(path, language=language, spaces=options.spaces, notes=notes)
    for sentence in sentences:
        yield from split_long(sentence, options.max_length, notes)


def _from_docbin(
    path: Path, vocab: Vocab, language: str | None, only: Set[int] | None
) -> Iterator[Doc]:
    files = list(docbin_files(path))
    if not files:
        raise ValueError(
            f"{path}: found a folder without .spacy files, expected one written by `dlfa convert`. "
            "Fix: convert the corpus again."
        )
    begin = 0
    for file in files:
        chosen = None
        if only is not None:
            # They are counted through all files.
            chosen = {number - begin for number in only}
            begin += count_docs(file)
        for doc in read_docbin(file, vocab, chosen):
            if get_language(doc) is None and language is not None:
                set_language(doc, language)
            yield doc


def _text_docs(
    path: Path,
    kind: str,
    language: str | None,
    options: ReadingOptions,
    topics: Iterable[str],
    make_doc: Callable[[str], Doc],
    notes: ReadingNotes,
) -> Iterator[Doc]:
    numbered = bool(options.labels)
    labels = list(options.labels)
    if not labels:
        labels = list(topics) if isinstance(topics, list | tuple) else order_labels(topics)
    labels = labels or labels_of(path, format=kind)
    for item in read_labelled_text(
        path, format=kind, labels=labels, numbered=numbered, language=language, notes=notes
    ):
        yield text_to_doc(item, labels, make_doc, notes, path)


def read_docs(
    path: Path,
    *,
    vocab: Vocab | None = None,
    language: str | None = None,
    options: ReadingOptions | None = None,
    topics: Iterable[str] = (),
    make_doc: Callable[[str], Doc] | None = None,
    notes: ReadingNotes | None = None,
    only: Set[int] | None = None,
) -> Iterator[Doc]:
    """Read Docs from a `.spacy`, CoNLL-U, IOB2, TSV or JSONL file, one after the other.

    path (Path): The file.
    vocab (Optional[Vocab]): The vocab of the Docs; by default that of a blank "xx" pipeline.
    language (Optional[str]): Language code, for `doc._.language` and for language-dependent rules.
    options (Optional[ReadingOptions]): How to read public formats.
    topics (Iterable[str]): All topics of the corpus, if it has any beyond those of this file;
        the keys of `doc.cats`, in the order of a list, or else sorted.
    make_doc (Optional[Callable[[str], Doc]]): Tokenizes labeled texts; by default a blank "xx"
        pipeline. Pairs are made of their two texts first, see `dlfa_spacy.pairs`.
    notes (Optional[ReadingNotes]): Receives the counts of what was changed or left out.
    only (Optional[Set[int]]): Of `.spacy` files, the numbers of the Docs to read; the others are
        not made, which is what takes time.
    YIELDS (Doc): The Docs, in order.
    RAISES (ValueError): If the file is malformed, naming file and line.
    """
    register_language_extension()
    options = options or ReadingOptions()
    notes = notes if notes is not None else ReadingNotes()
    if path.suffix != ".spacy" and (kind := options.kind(path)) in TEXT_FORMATS:
        if make_doc is None:
            blank = spacy.blank("xx", vocab=vocab) if vocab is not None else None
            make_doc = blank.make_doc if blank is not None else blank_tokenizer()
        yield from _text_docs(path, kind, language, options, topics, make_doc, notes)
        return
    if vocab is None:
        vocab = spacy.blank("xx").vocab
    if path.suffix == ".spacy":
        for doc in _from_docbin(path, vocab, language, only):
            notes.counts["sentences"] += 1
            notes.counts["tokens"] += len(doc)
            yield doc
        return
    labels = set(topics) or topics_of(path, options)
    for sentence in _sentences(path, kind, language or "xx", options, notes):
        yield sentence_to_doc(sentence, vocab, language=language, topics=labels)
