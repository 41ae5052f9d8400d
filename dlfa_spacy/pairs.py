"""Pairs of texts as ordinary Docs: the boundary between them is one reserved character."""

import warnings

from spacy.language import Language
from spacy.tokens import Doc, Span

# SYMBOL FOR RECORD SEPARATOR: visible, so that a pair can be read in a log and typed by hand;
# ordinary for JSON, DocBin and every tokenizer; and it stands in no text that people write.
SEPARATOR = "\u241e"
# REPLACEMENT CHARACTER, in the place of a separator that was in a text before: as long, so that
# offsets stay.
REPLACEMENT = "\ufffd"


class SeparatorWarning(UserWarning):
    """A text had the separator of pairs in it, and it was replaced."""


def join_pair(first: str, second: str) -> tuple[str, int]:
    """Write two texts as one, with the separator between them.

    first, second (str): The texts. Either may be empty, of several sentences or of several lines.
    RETURNS (Tuple[str, int]): The pair's text, and how many separators the two texts already had
        (each was replaced by U+FFFD, which encoders ignore or do not know).
    """
    replaced = first.count(SEPARATOR) + second.count(SEPARATOR)
    first = first.replace(SEPARATOR, REPLACEMENT)
    second = second.replace(SEPARATOR, REPLACEMENT)
    # With spaces around, every spaCy tokenizer makes it a token of its own.
    before = f"{first} " if first else ""
    after = f" {second}" if second else ""
    return f"{before}{SEPARATOR}{after}", replaced


def split_text(text: str) -> tuple[str, str] | None:
    """The two texts of a pair, without the one space on either side of the separator.

    RETURNS (Optional[Tuple[str, str]]): None for a text that is not a pair.
    """
    bounds = pair_bounds(text)
    if bounds is None:
        return None
    end, begin = bounds
    return text[:end], text[begin:].replace(SEPARATOR, REPLACEMENT)


def pair_bounds(text: str) -> tuple[int, int] | None:
    """Where the first text of a pair ends and the second begins.

    The first separator is the boundary; another one after it is an unknown character of the second
    text.

    RETURNS (Optional[Tuple[int, int]]): Character offsets; None for a text that is not a pair.
    """
    place = text.find(SEPARATOR)
    if place < 0:
        return None
    end = place - 1 if place > 0 and text[place - 1] == " " else place
    begin = place + 2 if text[place + 1 : place + 2] == " " else place + 1
    return end, begin


def is_pair(doc: Doc) -> bool:
    """RETURNS (bool): Whether a Doc holds two texts."""
    return SEPARATOR in doc.text


def make_pair(nlp: Language, first: str, second: str) -> Doc:
    """Make one Doc of two texts, as `nlp.make_doc` does of one.

    The Doc is an ordinary one: `nlp(doc)`, `Example`, `DocBin`, `Corpus`, `nlp.pipe` and
    `to_bytes` treat it as any other, because what makes it a pair is in its text. Both texts keep
    their tokens. To send pairs through `nlp.pipe(..., as_tuples=True)` or `n_process`, give it
    these Docs or the texts of `join_pair`.

    nlp (Language): The pipeline.
    first, second (str): Premise and hypothesis, or whatever the task pairs.
    RETURNS (Doc): With `SEPARATOR` as a token of its own between the two.
    RAISES (ValueError): The pipeline's tokenizer does not keep the separator as a token.
    WARNS (SeparatorWarning): A text has the separator in it; it was replaced by U+FFFD.

    ```python
    doc = nlp(make_pair(nlp, "A man is playing a guitar.", "Somebody makes music."))
    print(doc.cats)
    ```
    """
    text, replaced = join_pair(first, second)
    if replaced:
        warnings.warn(
            f"The separator of pairs (U+241E) occurs {replaced} times in a text of this pair. It "
            "was replaced by U+FFFD: a pair has one boundary.",
            SeparatorWarning,
            stacklevel=2,
        )
    doc = nlp.make_doc(text)
    _separator_index(doc)
    return doc


def split_pair(doc: Doc) -> tuple[Span, Span]:
    """RETURNS (Tuple[Span, Span]): The tokens before the separator, and those after it.
    RAISES (ValueError): The Doc is not a pair."""
    index = _separator_index(doc)
    return doc[:index], doc[index + 1 :]


def separator_token(doc: Doc) -> int | None:
    """RETURNS (Optional[int]): The index of the token between two texts; None if there is none."""
    key = doc.vocab.strings[SEPARATOR]
    return next((token.i for token in doc if token.orth == key), None)


def texts_of(doc: Doc) -> list[Span]:
    """RETURNS (List[Span]): Both texts of a pair, or the one of a Doc that is none."""
    place = separator_token(doc)
    return [doc[:]] if place is None else [doc[:place], doc[place + 1 :]]


def _separator_index(doc: Doc) -> int:
    place = separator_token(doc)
    if place is not None:
        return place
    if SEPARATOR in doc.text:
        raise ValueError(
            "[nlp.tokenizer] does not keep the separator of pairs (U+241E) as a token of its own. "
            'Fix: @tokenizers = "dlfa_spacy.MultilingualTokenizer.v1", or make pairs with '
            "dlfa_spacy.pairs.make_pair, which puts spaces around it."
        )
    raise ValueError(
        "The Doc is not a pair: expected the separator U+241E between two texts. Fix: make it with "
        "dlfa_spacy.pairs.make_pair(nlp, first, second)."
    )
