"""Labeled texts and pairs of texts to spaCy Docs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from ..files.errors import malformed
from ..language import set_language
from ..pairs import REPLACEMENT, SEPARATOR, join_pair
from ..tokenizer import make_tokenizer
from .labelled_text import LabelledText
from .sentence import ReadingNotes

MakeDoc = Callable[[str], Doc]

# A vocab never forgets a word: after so many texts the next one begins.
_TEXTS_A_VOCAB = 20_000


def blank_tokenizer() -> MakeDoc:
    """Make a tokenizer for a corpus of any size.

    RETURNS (Callable[[str], Doc]): The tokenizer of the shipped configs, with an empty vocab now
        and then.
    """
    nlp = _blank()
    n_texts = 0

    def make_doc(text: str) -> Doc:
        nonlocal nlp, n_texts
        if n_texts == _TEXTS_A_VOCAB:
            nlp, n_texts = _blank(), 0
        n_texts += 1
        return nlp.make_doc(text)

    return make_doc


def _blank() -> Language:
    nlp = spacy.blank("xx")
    nlp.tokenizer = make_tokenizer(nlp)
    return nlp


def text_to_doc(
    item: LabelledText, labels: Sequence[str], make_doc: MakeDoc, notes: ReadingNotes, path: Path
) -> Doc:
    """Make a Doc of a text or of a pair (see `dlfa_spacy.pairs`).

    item (LabelledText): The text.
    labels (Sequence[str]): All labels of the corpus: the keys of `doc.cats`, in this order.
    make_doc (Callable[[str], Doc]): The tokenizer.
    notes (ReadingNotes): Counts tokens, and the separators that were inside a text.
    path (Path): The file, for errors.
    RETURNS (Doc): The Doc. A label that the file does not give a text has 0.0.
    """
    if item.second is None:
        text, replaced = item.first.replace(SEPARATOR, REPLACEMENT), item.first.count(SEPARATOR)
    else:
        text, replaced = join_pair(item.first, item.second)
    notes.counts["replaced_separators"] += replaced
    try:
        doc = make_doc(text)
    except ValueError as error:
        # nlp.max_length
        raise malformed(
            path,
            item.line,
            text,
            f"a text that the tokenizer takes, not one of {len(text):,} characters ({error})",
            "Fix: cut the text, or raise nlp.max_length.",
        ) from error
    doc.cats = dict.fromkeys(labels, 0.0)
    doc.cats.update((label, value) for label, value in item.cats.items() if label in doc.cats)
    set_language(doc, item.language)
    notes.counts["tokens"] += len(doc)
    return doc
