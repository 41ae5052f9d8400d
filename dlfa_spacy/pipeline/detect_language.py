"""The component `dlfa_language`: which language a text is in."""

from collections.abc import Iterator
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span

from ..checks import check_number
from ..language import get_language, register_detection_extensions, set_language
from ..pairs import pair_bounds
from .lingua_detector import NOTHING, Guess, LinguaDetector, load_detector


@Language.factory(
    "dlfa_language",
    assigns=["doc._.language", "doc._.language_confidence"],
    default_config={
        "languages": None,
        "threshold": 0.7,
        "min_length": 1,
        "max_length": 1000,
        "high_accuracy": False,
        "sentences": False,
        "spans_key": None,
        "overwrite": False,
    },
)
def make_language(
    nlp: Language,
    name: str,
    languages: list[str] | None,
    threshold: float,
    min_length: int,
    max_length: int,
    high_accuracy: bool,
    sentences: bool,
    spans_key: str | None,
    overwrite: bool,
) -> "DetectLanguage":
    """The language of each text, and on request of its sentences or other spans.

    It needs lingua: `pip install "dlfa_spacy[language]"`. Put it first, before components that read
    `doc._.language`.

    languages (Optional[List[str]]): ISO 639-1 codes of the languages to choose among; by default
        all that the detector knows. The fewer, the better and smaller.
    threshold (float): Least confidence, 0 to 1; below it a language is unknown, which is `None`.
    min_length (int): A text of fewer letters is unknown.
    max_length (int): Only so many characters from the beginning of a text are read.
    high_accuracy (bool): More right of short texts, for ten times the memory.
    sentences (bool): Set the language of each of `doc.sents` too.
    spans_key (Optional[str]): Set the language of each span in this group of `doc.spans` too.
    overwrite (bool): Replace a language that somebody set, such as the reader of a corpus.
    CREATES: The component.

    ```ini
    [components.language]
    factory = "dlfa_language"
    languages = ["de", "en", "zh"]
    ```
    """
    where = f"[components.{name}]"
    if languages is not None and len(set(languages)) < 2:
        raise ValueError(
            f"{where} languages = {languages}: expected two or more to choose among, or null for "
            "all. Fix: languages = null."
        )
    right = 0 <= threshold <= 1
    check_number(f"{where} threshold", threshold, right, "a number from 0 to 1", 0.7)
    check_number(f"{where} min_length", min_length, min_length >= 1, "1 or more", 1)
    check_number(f"{where} max_length", max_length, max_length >= 1, "1 or more", 1000)
    return DetectLanguage(
        name=name,
        languages=languages,
        threshold=threshold,
        min_length=min_length,
        max_length=max_length,
        high_accuracy=high_accuracy,
        sentences=sentences,
        spans_key=spans_key,
        overwrite=overwrite,
    )


class DetectLanguage:
    """Sets `doc._.language` (ISO 639-1, or `None` for unknown) and `doc._.language_confidence` (0
    to 1, also of a guess that is not sure enough to be taken), and the same of spans.

    A pair of texts has the language of its first text, or of its second if that of the first is
    unknown. There is nothing to save but the settings, which are in the config.

    The arguments are those of `make_language`.
    """

    def __init__(
        self,
        *,
        name: str = "language",
        languages: list[str] | None = None,
        threshold: float = 0.7,
        min_length: int = 1,
        max_length: int = 1000,
        high_accuracy: bool = False,
        sentences: bool = False,
        spans_key: str | None = None,
        overwrite: bool = False,
    ):
        self.name = name
        self.languages = languages
        self.threshold = threshold
        self.min_length = min_length
        self.max_length = max_length
        self.high_accuracy = high_accuracy
        self.sentences = sentences
        self.spans_key = spans_key
        self.overwrite = overwrite
        self._detector: LinguaDetector | None = None
        register_detection_extensions()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_detector": None}

    @property
    def detector(self) -> LinguaDetector:
        """RETURNS (LinguaDetector): The detector, made when the first text comes. Two threads that
        make one at the same time make the same.
        RAISES (ImportError): lingua is not installed.
        RAISES (ValueError): It does not know one of the languages."""
        if self._detector is None:
            self._detector = load_detector(
                self.languages,
                high_accuracy=self.high_accuracy,
                where=f"[components.{self.name}]",
            )
        return self._detector

    def __call__(self, doc: Doc) -> Doc:
        """Set the language of a Doc, and of its spans.

        doc (Doc): The Doc.
        RETURNS (Doc): It.
        RAISES (ValueError): `sentences` is set, and the Doc has none.
        """
        items: list[Doc | Span] = [doc, *self._spans(doc)]
        for item in items:
            if self.overwrite or get_language(item) is None:
                language, confidence = self.guess(item.text)
                known = language if confidence >= self.threshold else None
                set_language(item, known, confidence)
        return doc

    def guess(self, text: str) -> Guess:
        """RETURNS (Tuple[Optional[str], float]): The most probable language, however unsure; None
        and 0 for a text that is too short."""
        bounds = pair_bounds(text)
        if bounds is None:
            return self._guess(text)
        first = self._guess(text[: bounds[0]])
        return first if first[1] >= self.threshold else self._guess(text[bounds[1] :])

    def _guess(self, text: str) -> Guess:
        text = text[: self.max_length]
        if sum(map(str.isalpha, text)) < self.min_length:
            return NOTHING
        return self.detector.detect(text)

    def _spans(self, doc: Doc) -> Iterator[Span]:
        if self.sentences:
            if not doc.has_annotation("SENT_START"):
                raise ValueError(
                    f"[components.{self.name}] sentences = true: the Doc has no sentences. "
                    "Expected a component before it that sets them. Fix: "
                    f'nlp.add_pipe("sentencizer", before="{self.name}"), or sentences = false.'
                )
            yield from doc.sents
        if self.spans_key is not None:
            yield from doc.spans.get(self.spans_key, ())
