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
    iob (Optional[List[str]]): Valid IOB2 tag per token; `None` if the file has no entities.
    topic (Optional[str]): The category of the sentence, if it has one.
    line (int): Line of the file on which the sentence begins, counted from 1.
    """

    words: list[str]
    spaces: list[bool]
    upos: list[str] | None = None
    iob: list[str] | None = None
    topic: str | None = None
    line: int = 0

    @property
    def text(self) -> str:
        """The text that `words` and `spaces` spell, without a space at its end."""
        parts = (w + (" " if s else "") for w, s in zip(self.words, self.spaces, strict=True))
        return "".join(parts).rstrip(" ")


@dataclass
class ReadingNotes:
    """What a reader changed or left out, so that nothing happens silently.

    counts (Counter): How often, by kind: `sentences`, `tokens`, `withheld_sentences` (forms
        replaced by `_`), `empty_nodes`, `multiword_tokens`, `glued_tokens` (white space inside a
        token removed), `zwnj_tokens` (U+200C removed), `emptied_tokens` (nothing was left of the
        form), `repaired_tags` (IOB1 or invalid `I-` made IOB2), `prefixed_tokens` (`xx:` cut),
        `long_sentences` (cut by `max_length`).
    """

    counts: Counter[str] = field(default_factory=Counter)

    def add(self, other: ReadingNotes) -> None:
        """Add the counts of another reader.

        other (ReadingNotes): The notes to add.
        """
        self.counts.update(other.counts)
