"""A sentence, its English translation, and which words of the two belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

# Index of a foreign word, index of an English word, both from 0.
Link = tuple[int, int]


@dataclass(frozen=True)
class SentencePair:
    """A sentence and its English translation.

    language (str): Code of the foreign language.
    source_words (List[str]): The foreign words, without white space.
    target_words (List[str]): The English words, without white space.
    links (List[Tuple[int, int]]): Foreign word, English word, both counted from 0. Empty if nobody
        has linked any.
    source_text (str): The foreign text; the words with a space between them if not given.
    target_text (str): The English text; the words with a space between them if not given.
    """

    language: str
    source_words: list[str]
    target_words: list[str]
    links: list[Link] = field(default_factory=list)
    source_text: str = ""
    target_text: str = ""

    def __post_init__(self) -> None:
        # Frozen: a default that depends on other fields has to go round __setattr__.
        if not self.source_text:
            object.__setattr__(self, "source_text", " ".join(self.source_words))
        if not self.target_text:
            object.__setattr__(self, "target_text", " ".join(self.target_words))


def one_to_one(links: Iterable[Link]) -> list[Link]:
    """Leave out every link that shares a word with another: of those it is not known which words
    are each other's translation. `0-0 0-1 2-2` becomes `2-2`.

    links (Iterable[Tuple[int, int]]): Links of one pair; the same one twice counts once.
    RETURNS (List[Tuple[int, int]]): The others, in their order.

    Source: Cao, Kitaev & Klein 2020, section 3.
    """
    single = list(dict.fromkeys(links))
    sources = Counter(source for source, _ in single)
    targets = Counter(target for _, target in single)
    return [link for link in single if sources[link[0]] == 1 and targets[link[1]] == 1]
