"""What every reader of this package yields, before spaCy comes into play."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Sentence:
    """One annotated sentence.

    words (List[str]): The tokens, none of them empty or with white space inside.
    spaces (List[bool]): Whether a space follows each token in the text.
    upos (Optional[List[str]]): Universal POS tag per token ("" where a token has none); `None`
        if the file has no tags.
    features (Optional[List[str]]): Morphological features per token, `Case=Nom|Number=Sing` (""
        where a token has none); `None` if the file has no features.
    heads (Optional[List[int]]): The index of each token's head, a root's being its own; `None` if
        the sentence has no tree.
    relations (Optional[List[str]]): Dependency relation per token, that of a root being `"ROOT"`;
        `None` if the sentence has no tree.
    iob (Optional[List[str]]): Valid IOB2 tag per token; `None` if the file has no entities.
    topic (Optional[str]): The category of the sentence, if it has one.
    line (int): Line of the file on which the sentence begins, counted from 1.
    """

    words: list[str]
    spaces: list[bool]
    upos: list[str] | None = None
    features: list[str] | None = None
    heads: list[int] | None = None
    relations: list[str] | None = None
    iob: list[str] | None = None
    topic: str | None = None
    line: int = 0

    @property
    def text(self) -> str:
        """The text that `words` and `spaces` spell, without a space at its end."""
        parts = (w + (" " if s else "") for w, s in zip(self.words, self.spaces, strict=True))
        return "".join(parts).rstrip(" ")


# What a note means, in words. Counts of what was simply read are not among them.
NOTES: dict[str, str] = {
    "withheld_sentences": "sentences left out, their words withheld (_)",
    "empty_nodes": "empty nodes left out",
    "multiword_tokens": "multiword tokens",
    "odd_features": "tokens freed of features that are not Name=Value",
    "odd_trees": "trees left out, not of one root and without cycles",
    "glued_tokens": "tokens with white space inside glued",
    "zwnj_tokens": "tokens freed of ZWNJ",
    "emptied_tokens": "tokens left out, nothing but white space",
    "repaired_tags": "tags repaired to IOB2",
    "prefixed_tokens": "tokens freed of a language prefix",
    "long_sentences": "sentences cut for their length, their trees left out",
    "untranslated_pairs": "pairs left out, a text not translated (NS)",
    "undecided_texts": "texts left out, annotators did not agree (-)",
    "half_empty_pairs": "pairs kept, one of their texts empty",
    "empty_pairs": "pairs kept, both of their texts empty",
    "replaced_separators": "separators of pairs (U+241E) inside a text replaced by U+FFFD",
}


@dataclass
class ReadingNotes:
    """What a reader changed or left out, so that nothing happens silently.

    counts (Counter): How often, by kind: the keys of `NOTES`, and `sentences` and `tokens`, which
        were read.
    """

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: ReadingNotes) -> None:
        """Add the counts of another reader.

        other (ReadingNotes): The notes to add.
        """
        self.counts.update(other.counts)

    def changes(self) -> dict[str, int]:
        """Tell what was changed or left out.

        RETURNS (Dict[str, int]): The counts by the keys of `NOTES`, without zeros.
        """
        return {key: self.counts[key] for key in NOTES if self.counts[key]}
