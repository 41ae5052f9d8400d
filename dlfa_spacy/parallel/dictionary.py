"""A bilingual dictionary of single words, in both directions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def fold(word: str) -> str:
    """RETURNS (str): The form under which a word is looked up."""
    # The small letter of the Turkish İ is a plain i, for Python an i with a dot above the dot.
    return word.lower().replace("i\u0307", "i")


class WordDictionary:
    """Foreign words and their English translations.

    entries (Iterable[Tuple[str, str]]): Foreign word, English word. Several for a word are fine.
    ignore_identical (bool): Skip entries of two equal words: names and numbers, which an
        encoder aligns anyhow (AlignFreeze's default).

    forward (Dict[str, Set[str]]): Foreign -> English, folded.
    backward (Dict[str, Set[str]]): English -> foreign, folded.
    duplicates (int): Entries that occurred before.
    identical (int): Entries left out by `ignore_identical`.
    """

    def __init__(self, entries: Iterable[tuple[str, str]], ignore_identical: bool = True) -> None:
        self.forward: dict[str, set[str]] = defaultdict(set)
        self.backward: dict[str, set[str]] = defaultdict(set)
        self.duplicates = self.identical = 0
        for foreign, english in entries:
            foreign, english = fold(foreign), fold(english)
            if ignore_identical and foreign == english:
                self.identical += 1
            elif english in self.forward[foreign]:
                self.duplicates += 1
            else:
                self.forward[foreign].add(english)
                self.backward[english].add(foreign)
        # From here on looking up a word must not add it.
        self.forward = {word: found for word, found in self.forward.items() if found}
        self.backward = dict(self.backward)

    def __len__(self) -> int:
        return sum(len(found) for found in self.forward.values())

    def entries(self) -> list[tuple[str, str]]:
        """RETURNS (List[Tuple[str, str]]): Foreign word, English word, sorted."""
        return sorted((a, b) for a, found in self.forward.items() for b in found)
