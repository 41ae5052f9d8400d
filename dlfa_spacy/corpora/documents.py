"""Sentences to spaCy Docs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..language import set_language
from .sentence import ReadingNotes, Sentence


def make_cats(topic: str, labels: Iterable[str]) -> dict[str, float]:
    """Make `doc.cats` for one topic out of several.

    topic (str): The topic that holds.
    labels (Iterable[str]): All topics, `topic` among them or not.
    RETURNS (dict[str, float]): 1.0 for `topic`, 0.0 for all others, in alphabetical order.
    """
    return {**dict.fromkeys(sorted({topic, *labels}), 0.0), topic: 1.0}


def sentence_to_doc(
    sentence: Sentence,
    vocab: Vocab,
    *,
    language: str | None = None,
    topics: Iterable[str] = (),
) -> Doc:
    """Make a Doc of a sentence.

    UPOS goes to `token.pos_` and to `token.tag_` alike, because spaCy's tagger learns and writes
    `tag_` while its morphologizer and most users read `pos_`.

    sentence (Sentence): The sentence.
    vocab (Vocab): The vocab of the Doc.
    language (Optional[str]): Language code for `doc._.language`.
    topics (Iterable[str]): All topics of the corpus, for the zeros in `doc.cats`.
    RETURNS (Doc): The Doc. Without tags or entities in the sentence these are unset, which is
        not the same as empty: `doc.has_annotation("ENT_IOB")` tells them apart.
    """
    doc = Doc(
        vocab,
        words=sentence.words,
        spaces=sentence.spaces,
        tags=sentence.upos,
        pos=sentence.upos,
        ents=sentence.iob,
        heads=sentence.heads,
        deps=sentence.relations,
    )
    if sentence.features is not None:
        # A Doc's constructor cannot tell words without features from words nobody annotated.
        for token, features in zip(doc, sentence.features, strict=True):
            token.set_morph(features)  # type: ignore[attr-defined]
    if sentence.topic is not None:
        doc.cats = make_cats(sentence.topic, topics)
    set_language(doc, language)
    return doc


def _cut(sentence: Sentence, start: int, end: int) -> Sentence:
    spaces = sentence.spaces[start:end]
    spaces[-1] = False
    return Sentence(
        words=sentence.words[start:end],
        spaces=spaces,
        upos=sentence.upos[start:end] if sentence.upos is not None else None,
        features=sentence.features[start:end] if sentence.features is not None else None,
        iob=sentence.iob[start:end] if sentence.iob is not None else None,
        topic=sentence.topic,
        line=sentence.line,
    )


def split_long(
    sentence: Sentence, max_length: int, notes: ReadingNotes | None = None
) -> Iterator[Sentence]:
    """Cut a sentence of more than `max_length` tokens, never inside an entity.

    No token is lost, so the score counts the same tokens and entities as without cutting. A tree
    is lost: its pieces are none.

    sentence (Sentence): The sentence.
    max_length (int): Tokens per piece; 0 for no limit. A longer entity makes a longer piece.
    notes (Optional[ReadingNotes]): Receives the count of cut sentences.
    YIELDS (Sentence): The pieces, in order.
    """
    n_words = len(sentence.words)
    if max_length <= 0 or n_words <= max_length:
        yield sentence
        return
    if notes is not None:
        notes.counts["long_sentences"] += 1
    tags: list[str] = sentence.iob or ["O"] * n_words
    start = 0
    while start < n_words:
        end = min(start + max_length, n_words)
        while start < end < n_words and tags[end].startswith("I-"):
            end -= 1
        if end == start:
            end = start + 1
            while end < n_words and tags[end].startswith("I-"):
                end += 1
        yield _cut(sentence, start, end)
        start = end
