"""As much of lingua as `dlfa_language` calls, by a few words: lingua itself is a wheel of 96 MB.

A folder of its own, so that only the tests that put it on the path import it, and processes that
they spawn do too.
"""

from enum import Enum

WORDS = {
    "de": {"das", "ist", "ein", "und", "nicht", "haus", "garten"},
    "en": {"the", "this", "is", "a", "and", "not", "house", "garden"},
    "fr": {"le", "est", "une", "et", "pas", "maison", "jardin"},
}
FIRST = {"ar": "ء", "th": "ก", "zh": "一"}
LAST = {"ar": "ي", "th": "๛", "zh": "鿿"}


class Language(Enum):
    ARABIC = "ar"
    CHINESE = "zh"
    ENGLISH = "en"
    FRENCH = "fr"
    GERMAN = "de"
    THAI = "th"

    @classmethod
    def all(cls) -> "frozenset[Language]":
        return frozenset(cls)

    @property
    def iso_code_639_1(self) -> "Code":
        return Code(self.value.upper())


class Code:
    def __init__(self, name: str):
        self.name = name


class ConfidenceValue:
    def __init__(self, language: Language, value: float):
        self.language = language
        self.value = value


class LanguageDetector:
    def __init__(self, languages: "tuple[Language, ...]"):
        self.languages = languages

    def compute_language_confidence_values(self, text: str) -> "list[ConfidenceValue]":
        words = text.lower().replace(".", " ").split()
        counts = {
            language: sum(
                word in WORDS.get(language.value, ())
                or FIRST.get(language.value, "~") <= word[:1] <= LAST.get(language.value, "")
                for word in words
            )
            for language in self.languages
        }
        total = sum(counts.values()) or 1
        values = [ConfidenceValue(language, n / total) for language, n in counts.items()]
        return sorted(values, key=lambda value: -value.value)


class LanguageDetectorBuilder:
    def __init__(self, languages: "tuple[Language, ...]"):
        self.languages = languages

    @classmethod
    def from_languages(cls, *languages: Language) -> "LanguageDetectorBuilder":
        return cls(languages)

    def with_low_accuracy_mode(self) -> "LanguageDetectorBuilder":
        return self

    def build(self) -> LanguageDetector:
        return LanguageDetector(self.languages)
