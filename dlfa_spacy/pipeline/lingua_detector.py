"""The language of a text, by lingua: the only file that knows this library."""

from collections.abc import Sequence
from typing import Any

# Language, and how sure that is: 0 to 1.
Guess = tuple[str | None, float]
NOTHING: Guess = (None, 0.0)


class LinguaDetector:
    """Tells one text after the other.

    lingua also takes lists of texts, for a pool of threads in Rust. A process that is forked while
    there is such a pool has none of its threads, and waits for them for ever.

    detector (lingua.LanguageDetector): The detector, which many threads may share.
    """

    def __init__(self, detector: Any):
        self._detector = detector

    def detect(self, text: str) -> Guess:
        """RETURNS (Tuple[Optional[str], float]): ISO 639-1 code and confidence; None for a text in
        which lingua finds no letters that it knows."""
        values = self._detector.compute_language_confidence_values(text)
        best = values[0]
        return (_code(best.language), float(best.value)) if best.value > 0 else NOTHING


def load_detector(
    languages: Sequence[str] | None, *, high_accuracy: bool, where: str = ""
) -> LinguaDetector:
    """Make a detector. Its models are loaded when texts need them, and shared by all detectors of
    a process.

    languages (Optional[Sequence[str]]): ISO 639-1 codes to choose among; None for all.
    high_accuracy (bool): N-grams of one to five letters, or only of three.
    where (str): The component's block of the config, for errors.
    RETURNS (LinguaDetector): The detector.
    RAISES (ImportError): lingua is not installed.
    RAISES (ValueError): It does not know one of the languages.
    """
    known = _languages(where)
    unknown = [code for code in languages or () if code not in known]
    if unknown:
        raise ValueError(
            f"{where} languages = {list(languages or ())}: {', '.join(unknown)} is not known to "
            f"the detector. Expected ISO 639-1 codes out of {', '.join(known)}. Fix: leave it out; "
            'Norwegian is "nb" and "nn".'
        )
    from lingua import LanguageDetectorBuilder

    chosen = [known[code] for code in languages or known]
    builder = LanguageDetectorBuilder.from_languages(*chosen)
    if not high_accuracy:
        builder = builder.with_low_accuracy_mode()
    return LinguaDetector(builder.build())


def known_languages() -> list[str]:
    """RETURNS (List[str]): The ISO 639-1 codes of all languages that lingua knows.
    RAISES (ImportError): It is not installed."""
    return list(_languages(""))


def _languages(where: str) -> dict[str, Any]:
    try:
        from lingua import Language
    except ImportError as error:
        raise ImportError(
            f"{where} needs lingua-language-detector, which is not installed. Fix: pip install "
            '"dlfa_spacy[language]".'.lstrip()
        ) from error
    return {_code(language): language for language in sorted(Language.all(), key=_code)}


def _code(language: Any) -> str:
    return str(language.iso_code_639_1.name).lower()
