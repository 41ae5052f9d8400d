"""What a Doc says of its tokens and sentences beside tags, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spacy.tokens import Doc, Token

from ..metrics.span_f1 import Span

# Of a token that has no features, which is not the same as one that nobody annotated.
_NO_FEATURES = "_"


def features(doc: Doc) -> list[str] | None:
    """
    doc (Doc): A Doc.
    RETURNS (Optional[List[str]]): The morphological features of each token, "" where nobody
        annotated it; `None` if none is annotated.
    """
    if not any(token.has_morph() for token in doc):
        return None
    return [str(token.morph) or _NO_FEATURES if token.has_morph() else "" for token in doc]


def heads(doc: Doc) -> list[str] | None:
    """
    doc (Doc): A Doc.
    RETURNS (Optional[List[str]]): The characters that the head of each token covers; `None` if
        there is no tree.
    """
    return [_head(token) for token in doc] if doc.has_annotation("DEP") else None


def arcs(doc: Doc) -> list[str] | None:
    """
    doc (Doc): A Doc.
    RETURNS (Optional[List[str]]): The head of each token and its relation, without the subtype
        that a language may have of its own (`nsubj` for `nsubj:pass`), as the CoNLL 2018 task
        compares them; `None` if there is no tree.
    """
    if not doc.has_annotation("DEP"):
        return None
    return [f"{_head(token)} {token.dep_.partition(':')[0]}" for token in doc]


def _head(token: Token) -> str:
    head = token.head
    return "root" if head.i == token.i else f"{head.idx}-{head.idx + len(head)}"


# By metric, what is compared token by token.
TOKEN_READERS: dict[str, Callable[[Doc], list[str] | None]] = {
    "morphologizer_accuracy": features,
    "parser_uas": heads,
    "parser_las": arcs,
}


def sentence_spans(doc: Doc) -> list[Span] | None:
    """
    doc (Doc): A Doc.
    RETURNS (Optional[List[Tuple[int, int, str]]]): Begin and end of each sentence in characters;
        `None` if nobody told.
    """
    if not doc.has_annotation("SENT_START"):
        return None
    return [(sent.start_char, sent.end_char, "") for sent in doc.sents]


def group_spans(doc: Doc, keys: Sequence[str]) -> list[Span] | None:
    """
    doc (Doc): A Doc.
    keys (Sequence[str]): Names of groups in `doc.spans`.
    RETURNS (Optional[List[Tuple[int, int, str]]]): Begin and end in characters, group and label of
        each span; `None` if the Doc has none of these groups.
    """
    found = [key for key in keys if key in doc.spans]
    if not found:
        return None
    return [
        (span.start_char, span.end_char, f"{key} {span.label_}")
        for key in found
        for span in doc.spans[key]
    ]


def by_extent(doc: Doc, other: Doc, values: Sequence[str] | None) -> list[str | None]:
    """Find what another Doc of the same text says of each token.

    doc (Doc): The Doc, gold or predicted.
    other (Doc): The other one.
    values (Optional[Sequence[str]]): A value for each token of `other`.
    RETURNS (List[Optional[str]]): The value of the token of the same characters; `None` if there is
        no such token, or no values.
    """
    if values is None:
        return [None] * len(doc)
    found = {(t.idx, len(t)): value for t, value in zip(other, values, strict=True)}
    return [found.get((token.idx, len(token))) for token in doc]
