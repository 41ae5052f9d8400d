"""The tokens of a Doc, without what anybody said of them."""

from __future__ import annotations

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..language import get_language, set_language


def bare_doc(vocab: Vocab, doc: Doc) -> Doc:
    """Make a Doc for a pipeline to annotate.

    vocab (Vocab): The pipeline's.
    doc (Doc): The Doc, of any vocab.
    RETURNS (Doc): Its words, spaces and language, and nothing else.
    """
    words = [token.text for token in doc]
    spaces = [bool(token.whitespace_) for token in doc]
    made = Doc(vocab, words=words, spaces=spaces)
    set_language(made, get_language(doc))
    return made
