"""Links words by a dictionary, where nothing else is possible: the aligner `dico`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .dictionary import WordDictionary, fold
from .pair import Link


def link_by_dictionary(
    source_words: Sequence[str], target_words: Sequence[str], dictionary: WordDictionary
) -> list[Link]:
    """Link a foreign word with an English one if the dictionary is unambiguous.

    The candidates of a word are its translations that stand on the English side. It is linked if
    there is exactly one (as a type), which occurs there once, and if exactly one foreign word
    (counting repeats) is a translation of that.

    source_words (Sequence[str]): The foreign words.
    target_words (Sequence[str]): The English words.
    dictionary (WordDictionary): The entries.
    RETURNS (List[Tuple[int, int]]): The links, one to one, in the order of the foreign words.

    Source: the aligner `dico` of AlignFreeze (Bakos et al., NAACL 2025), which on part-of-speech
    tagging did better there than fast_align and awesome-align.
    """
    source = [fold(word) for word in source_words]
    target = [fold(word) for word in target_words]
    in_source, in_target = Counter(source), Counter(target)
    nothing: set[str] = set()
    links = []
    for place, word in enumerate(source):
        candidates = dictionary.forward.get(word, nothing) & in_target.keys()
        if len(candidates) != 1:
            continue
        (candidate,) = candidates
        back = dictionary.backward.get(candidate, nothing)
        if in_target[candidate] == 1 and sum(in_source[other] for other in back) == 1:
            links.append((place, target.index(candidate)))
    return links
