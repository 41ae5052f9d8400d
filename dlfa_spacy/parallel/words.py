"""Words of raw text, and Docs of these words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import spacy
from spacy.tokens import Doc
from spacy.util import get_words_and_spaces
from spacy.vocab import Vocab

from ..language import set_language
from ..tokenizer import make_tokenizer
from .naming import ENGLISH
from .pair import SentencePair


class WordSplitter:
    """Cuts text of any language into words as a pipeline with `MultilingualTokenizer.v1` does."""

    def __init__(self) -> None:
        self.tokenizer = make_tokenizer(spacy.blank("xx"))

    def __call__(self, text: str) -> list[str]:
        """RETURNS (List[str]): The words, none of them white space."""
        return [token.text for token in self.tokenizer(text) if not token.is_space]


def pair_docs(pairs: Sequence[SentencePair], vocab: Vocab) -> tuple[list[Doc], list[Doc]]:
    """Make Docs of sentence pairs. Token i is word i, and `doc._.language` is set.

    pairs (Sequence[SentencePair]): The pairs.
    vocab (Vocab): For the Docs.
    RETURNS (Tuple[List[Doc], List[Doc]]): The foreign sides and the English sides.
    """
    sources = ((pair.source_words, pair.source_text, pair.language) for pair in pairs)
    targets = ((pair.target_words, pair.target_text, ENGLISH) for pair in pairs)
    return _docs(sources, vocab), _docs(targets, vocab)


def _docs(sides: Iterable[tuple[list[str], str, str]], vocab: Vocab) -> list[Doc]:
    docs = []
    for words, text, language in sides:
        joined, spaces = get_words_and_spaces(words, text)
        if joined != words:
            # White space of its own in the text: links count words, so it is left out.
            joined, spaces = words, [True] * len(words)
        doc = Doc(vocab, words=joined, spaces=spaces)
        set_language(doc, language)
        docs.append(doc)
    return docs
