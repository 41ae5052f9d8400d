"""A Doc in which some words are others, and whose annotation is the same."""

from __future__ import annotations

from collections.abc import Mapping

from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup
from spacy.training import Example

from ..corpora.bare import bare_doc
from ..language import get_language, set_language


def replace_words(doc: Doc, words: Mapping[int, str], keep_morph: bool = False) -> Doc:
    """Write a Doc anew with other words in some places. Tags, parts of speech, parse, entities with
    their ids, span groups, categories and what is on the Doc as a whole stay as they are.

    doc (Doc): The Doc.
    words (Mapping[int, str]): Token index -> the new word.
    keep_morph (bool): A new word keeps the morphological features of the old one. If not, it has
        none, and if the old one had some, no part of speech either, because a morphologizer
        predicts both as one label. The tag stays. A new word never has a lemma.
    RETURNS (Doc): A new Doc of as many tokens.
    """
    cleared = {i for i in words if str(doc[i].morph) and not keep_morph}
    parsed = doc.has_annotation("DEP")
    new = Doc(
        doc.vocab,
        words=[words.get(token.i, token.text) for token in doc],
        spaces=None if doc.has_unknown_spaces else [bool(token.whitespace_) for token in doc],
        tags=[token.tag_ for token in doc],
        pos=["" if token.i in cleared else token.pos_ for token in doc],
        lemmas=["" if token.i in words else token.lemma_ for token in doc],
        heads=[token.head.i for token in doc] if parsed else None,
        deps=[token.dep_ for token in doc] if parsed else None,
        sent_starts=None if parsed else [token.is_sent_start for token in doc],
    )
    for token in doc:
        # A Doc's constructor cannot tell words without features from words nobody annotated.
        if token.has_morph() and token.i not in cleared:
            new[token.i].set_morph(str(token.morph))  # type: ignore[attr-defined]
    missing = [new[token.i : token.i + 1] for token in doc if not token.ent_iob]
    new.set_ents([_moved(ent, new) for ent in doc.ents], missing=missing, default="outside")
    for name, group in doc.spans.items():
        spans = [_moved(span, new) for span in group]
        new.spans[name] = SpanGroup(new, name=name, attrs=dict(group.attrs), spans=spans)
    new.cats = dict(doc.cats)
    for key, value in doc.user_data.items():
        # What is of a token or a span is kept by its place in the text, which is another one now.
        if not (isinstance(key, tuple) and key[0] == "._." and key[2] is not None):
            new.user_data[key] = value
    return new


def replace_in_example(
    nlp: Language, example: Example, words: Mapping[int, str], keep_morph: bool = False
) -> Example:
    """Write an Example anew.

    nlp (Language): The pipeline.
    example (Example): The Example.
    words (Mapping[int, str]): Index of a token of the reference -> the new word.
    keep_morph (bool): See `replace_words`.
    RETURNS (Example): A new Example. If the pipeline was given the tokens of the reference, it is
        again; else its tokenizer reads the new text.
    """
    reference = replace_words(example.reference, words, keep_morph)
    if [token.text for token in example.predicted] == [token.text for token in example.reference]:
        predicted = bare_doc(nlp.vocab, reference)
    else:
        predicted = nlp.make_doc(reference.text)
    set_language(predicted, get_language(example.predicted))
    return Example(predicted, reference)


def _moved(span: Span, doc: Doc) -> Span:
    return Span(doc, span.start, span.end, label=span.label, kb_id=span.kb_id, span_id=span.id)
