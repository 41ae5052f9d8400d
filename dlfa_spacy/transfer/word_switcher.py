"""Training texts in which some words are replaced: code switching, and synonyms."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Token
from spacy.training import Example

from ..pairs import texts_of
from ..parallel.dictionary import fold
from .replace_words import replace_in_example
from .word_tables import WordTable

logger = logging.getLogger("spacy")

LANGUAGE, KNOWN = "language", "known"
RESTORE, LOWER, KEEP = "restore", "lower", "keep"
SKIP, JOIN = "skip", "join"
BOTH, FIRST, SECOND = "both", "first", "second"
# After how many texts the rates are logged, and after each tenfold of it.
FIRST_REPORT = 1000


@dataclass(frozen=True)
class SwitchSettings:
    """Which words are replaced, and how. See `build_code_switch_v1`."""

    sentence_rate: float = 1.0
    token_rate: float = 0.5
    warmup: int = 0
    choose: str = LANGUAGE
    case: str = RESTORE
    multiword: str = SKIP
    protect_ents: bool = True
    sides: str = BOTH
    keep_self: bool = False
    keep_original: bool = False
    keep_morph: bool = False
    seed: int = 0


class WordSwitcher:
    """An augmenter that replaces words by others.

    What it draws depends on its seed, on how many texts it has seen, and on the text: two passes
    differ, two trainings do not, and processes that share out a corpus draw each for itself.

    read (Callable[[], Dict[str, WordTable]]): Reads the tables, by language; called at the first
        text.
    settings (SwitchSettings): The settings.
    title (str): Its name in the log and in the pipeline's meta.

    texts (int): Texts seen.
    words (int): Their words, white space and separators of pairs left out.
    replaced (Counter): How many of them were replaced, by language.
    """

    def __init__(
        self, read: Callable[[], dict[str, WordTable]], settings: SwitchSettings, title: str
    ) -> None:
        self.read = read
        self.settings = settings
        self.title = title
        self.texts = self.words = 0
        self.replaced: Counter[str] = Counter()
        # What stands in the meta of one pipeline, and which: spaCy makes a meta anew whenever it is
        # asked for, which takes longer than a text.
        self._meta: dict[str, Any] = {}
        self._meta_of: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_meta_of": None}

    def __call__(self, nlp: Language, example: Example) -> Iterator[Example]:
        """YIELDS (Example): The text with some words replaced; before it, if so set, the text as it
        was. A text in which no word is drawn is passed on as it is, once."""
        words = self.draw(example.reference)
        self._report(nlp)
        if not words or self.settings.keep_original:
            yield example
        if words:
            yield replace_in_example(nlp, example, words, self.settings.keep_morph)

    @cached_property
    def tables(self) -> dict[str, WordTable]:
        """The tables, by language."""
        found = self.read()
        return found if self.settings.multiword == JOIN else _single_words(found)

    @cached_property
    def languages(self) -> list[str]:
        """The languages, sorted."""
        return sorted(self.tables)

    @property
    def rates(self) -> dict[str, float]:
        """Share of all words that was replaced so far, by language."""
        return {name: self.replaced[name] / max(self.words, 1) for name in self.languages}

    def draw(self, doc: Doc) -> dict[int, str]:
        """RETURNS (Dict[int, str]): Token index -> the word that takes its place."""
        settings = self.settings
        rng = random.Random(f"{settings.seed}/{self.texts}/{doc.text}")
        sides = texts = texts_of(doc)
        rate = settings.token_rate
        if self.texts < settings.warmup:
            rate *= self.texts / settings.warmup
        if len(texts) == 2 and settings.sides != BOTH:
            sides = texts[:1] if settings.sides == FIRST else texts[1:]
        found: dict[int, str] = {}
        for side in sides:
            # CoSDA-ML, algorithm 1: sentences are drawn, then words, then a language.
            if rng.random() >= settings.sentence_rate:
                continue
            for token in side:
                if rng.random() < rate and self._may_replace(token):
                    chosen = self._choose(token, rng)
                    if chosen is not None:
                        language, found[token.i] = chosen
                        self.replaced[language] += 1
        self.texts += 1
        self.words += sum(not token.is_space for token in doc) - (len(texts) - 1)
        return found

    def _may_replace(self, token: Token) -> bool:
        return token.is_alpha and not (self.settings.protect_ents and token.ent_type)

    def _choose(self, token: Token, rng: random.Random) -> tuple[str, str] | None:
        """RETURNS (Optional[Tuple[str, str]]): A language, and a word of it."""
        key = fold(token.text)
        languages = self.languages
        if self.settings.choose == KNOWN:
            languages = [name for name in languages if key in self.tables[name]]
        if not languages:
            return None
        language = rng.choice(languages)
        others = self.tables[language].get(key)
        if others is None:
            return None
        drawn = rng.randrange(len(others) + self.settings.keep_self)
        if drawn == len(others):
            return None
        return language, _in_case(others[drawn], token.text, self.settings.case)

    def _report(self, nlp: Language) -> None:
        if self._meta_of != id(nlp):
            self._meta, self._meta_of = {}, id(nlp)
            nlp.meta[self.title] = self._meta
        self._meta.update(texts=self.texts, replaced=self.rates)
        if self.texts >= FIRST_REPORT and str(self.texts).strip("0") == "1":
            shown = ", ".join(f"{name} {rate:.1%}" for name, rate in self.rates.items())
            total = sum(self.rates.values())
            logger.info(
                "%s: %.1f%% of the words of %d texts were replaced (%s).",
                *(self.title, 100 * total, self.texts, shown),
            )


def _single_words(tables: Mapping[str, WordTable]) -> dict[str, WordTable]:
    """RETURNS (Dict[str, WordTable]): Without what is of several words."""
    found = {}
    for language, table in tables.items():
        kept = {key: tuple(x for x in words if len(x.split()) == 1) for key, words in table.items()}
        found[language] = {key: words for key, words in kept.items() if words}
    return found


def _in_case(word: str, like: str, case: str) -> str:
    if case == LOWER:
        return word.lower()
    if case == RESTORE and like.isupper() and len(like) > 1:
        return word.upper()
    if case == RESTORE and like[0].isupper():
        return word[0].upper() + word[1:]
    return word
