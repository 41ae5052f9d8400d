"""A tokenizer for raw text in any language, also those written without spaces."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy
import srsly
from spacy.attrs import NORM
from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex
from thinc.types import Ints2d

from .encoder.segment.unspaced_pieces import UnspacedPieces, find_pieces
from .long_words import LONGEST, cut_signs
from .pairs import REPLACEMENT, SEPARATOR

# The rules of spaCy's own tokenizer, among the bytes of one that has pieces.
STOCK = "stock_tokenizer"
HAN = r"\u3005\u3007\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF"
KANA = r"\u3041-\u3096\u30A1-\u30FA\uFF66-\uFF6F\uFF71-\uFF9D"
# What continues a mora: small vowels and glides, the length mark, voicing marks.
SMALL_KANA = (
    r"\u3041\u3043\u3045\u3047\u3049\u3083\u3085\u3087\u308E\u30A1\u30A3\u30A5\u30A7\u30A9"
    r"\u30E3\u30E5\u30E7\u30EE\u30FC\uFF67-\uFF6E\uFF70\uFF9E\uFF9F"
)
THAI, THAI_PREPOSED, THAI_FOLLOWING = (
    r"\u0E01-\u0E2E",
    r"\u0E40-\u0E44",
    r"\u0E30\u0E32\u0E33\u0E45",
)
LAO, LAO_PREPOSED, LAO_FOLLOWING = (
    r"\u0E81-\u0EAE\u0EDC-\u0EDF",
    r"\u0EC0-\u0EC4",
    r"\u0EB0\u0EB2\u0EB3",
)
KHMER = r"\u1780-\u17B3"
BURMESE = r"\u1000-\u102A\u103F\u1050-\u1055"
# Combining marks of these scripts, and those that join any character (accents, the variation
# selectors of ideographs and emoji, joiners). None of them may begin a token.
MARKS = (
    r"\u0300-\u036F\u200C\u200D\u20D0-\u20F0\u302A-\u302F\u3099\u309A\uFE00-\uFE0F"
    r"\u0E31\u0E34-\u0E3A\u0E47-\u0E4E\u0EB1\u0EB4-\u0EBC\u0EC8-\u0ECE\u17B4-\u17D3\u17DD"
    r"\u102B-\u103E\u1056-\u1059\u105E-\u1060\u1062-\u1064\u1067-\u106D\u1071-\u1074\u1082-\u108D"
    r"\u108F\u109A-\u109D\U000E0100-\U000E01EF"
)
# CJK punctuation, ideographic and full-width.
PUNCTUATION = (
    r"\u3001-\u3003\u3008-\u3011\u3014-\u301F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65"
)
# One unit of each script that is written without spaces between words.
UNITS = "|".join(
    [
        # One character, with its variation selector.
        rf"[{HAN}{PUNCTUATION}][{MARKS}]*",
        # One mora: a kana with what continues it.
        rf"[{KANA}][{SMALL_KANA}{MARKS}]*",
        # One syllable without its final: preposed vowel, consonant, marks, following vowel, marks.
        rf"[{THAI_PREPOSED}]?[{THAI}][{MARKS}]*(?:[{THAI_FOLLOWING}][{MARKS}]*)?",
        rf"[{LAO_PREPOSED}]?[{LAO}][{MARKS}]*(?:[{LAO_FOLLOWING}][{MARKS}]*)?",
        # A letter with its subscript consonants (each after a coeng) and marks.
        rf"[{KHMER}](?:\u17D2[{KHMER}]|[{MARKS}])*",
        # A letter with stacked consonants and marks, and the closing consonants that an asat kills.
        rf"[{BURMESE}](?:\u1039[{BURMESE}]|[{BURMESE}](?=[\u1037\u1038]*\u103A)|[{MARKS}])*",
    ]
)
UNSPACED = re.compile(f"[{HAN}{KANA}{THAI}{THAI_PREPOSED}{LAO}{LAO_PREPOSED}{KHMER}{BURMESE}]")
# A piece of a vocabulary that belongs to these scripts alone.
OWN_PIECE = re.compile(
    f"[{HAN}{KANA}{SMALL_KANA}{THAI}{THAI_PREPOSED}{THAI_FOLLOWING}{LAO}{LAO_PREPOSED}"
    f"{LAO_FOLLOWING}{KHMER}{BURMESE}{MARKS}\u17d2\u1039]+"
)
FIRST_MARK = re.compile(f"[{MARKS}]")
FIRST_PUNCTUATION = re.compile(f"[{PUNCTUATION}]")
# A unit, or a run of anything else: nothing is ever lost.
PARTS = re.compile(f"({UNITS})|(?:(?!{UNITS}).)+", re.DOTALL)


# Half of a character: Python's strings can hold it, UTF-8 and so spaCy cannot.
SURROGATE = re.compile("[\ud800-\udfff]")


class SurrogateWarning(UserWarning):
    """A text had unpaired surrogates in it, and they were replaced."""


class MultilingualTokenizer(Tokenizer):
    """spaCy's tokenizer, and runs of Han, Kana, Thai, Lao, Khmer and Burmese in small units.

    With the stock `xx` tokenizer a Chinese clause is one token, which no component can tag and no
    entity can begin in. Here it is one token a character (Han), mora (Kana) or syllable (the other
    scripts); what stands between these is tokenized by the stock rules. The separator of a pair of
    texts (`dlfa_spacy.pairs`) is a token of its own wherever it stands. Texts without either are
    tokenized exactly as by the stock tokenizer, also rows of emoji or brackets of any length (see
    `cut_signs`). Half of a character (an unpaired surrogate), which no Doc can hold, is replaced
    by U+FFFD, with a `SurrogateWarning` that says how many.

    With an encoder's vocabulary (`initialize`) a run of these scripts is cut into the wordpieces
    that the encoder reads there, and one that the vocabulary cannot spell into characters.
    """

    pieces: UnspacedPieces | None = None

    def initialize(
        self,
        get_examples: Callable[[], Iterable[Example]] | None = None,
        *,
        nlp: Language | None = None,
        encoder: str | None = None,
    ) -> None:
        """Learn the words of scripts without spaces. spaCy calls it, with the settings in
        [initialize.tokenizer].

        get_examples (Optional[Callable]): Not used.
        nlp (Optional[Language]): Not used.
        encoder (Optional[str]): Folder or Hub name of an encoder with a Unigram vocabulary.
        """
        if encoder is not None:
            # A tokenizer that learns nothing needs neither torch nor transformers.
            from .encoder.storage.loading import load_tokenizer

            self.learn_pieces(load_tokenizer(encoder))

    def learn_pieces(self, tokenizer: Any) -> None:
        """Take the words of scripts without spaces from a Hugging Face tokenizer."""
        key = "[initialize.tokenizer] encoder"
        self.pieces = find_pieces(tokenizer, _is_own_piece, key)

    def __call__(self, string: str) -> Doc:
        string, n_replaced = SURROGATE.subn(REPLACEMENT, string)
        if n_replaced:
            warnings.warn(
                f"A text has {n_replaced} unpaired surrogates (halves of characters), replaced by "
                "U+FFFD. Fix: decode it with errors='replace', or remove them.",
                SurrogateWarning,
                stacklevel=2,
            )
        if SEPARATOR not in string and not UNSPACED.search(string) and not _is_long(string):
            return super().__call__(string)
        parts = _Parts()
        *firsts, last = string.split(SEPARATOR)
        for text in firsts:
            # The texts of a pair have the tokens that each has alone: the space between the first
            # and the separator must not join what the first ends with.
            text, space = (text[:-1], True) if text.endswith(" ") else (text, False)
            self._add_text(parts.take_space(text), parts)
            if space:
                parts.add_space()
            parts.add(SEPARATOR, False, 0)
        self._add_text(parts.take_space(last), parts)
        doc = Doc(self.vocab, words=parts.words, spaces=parts.spaces)
        # The exceptions of a language carry norms ("n't" is "not"); 0 is the word's own.
        column = numpy.asarray(parts.norms, dtype="uint64").reshape(-1, 1)
        return doc.from_array([NORM], cast(Ints2d, column))

    def _add_text(self, string: str, parts: "_Parts") -> None:
        if not UNSPACED.search(string):
            self._add_stock(string, parts)
            return
        run: list[str] = []
        for match in PARTS.finditer(string):
            text = match.group()
            if match.group(1) and not FIRST_PUNCTUATION.match(text):
                run.append(text)
                continue
            self._add_run(run, parts)
            run = []
            if match.group(1):
                parts.add(text, False, 0)
            else:
                self._add_stock(parts.take_space(text), parts)
        self._add_run(run, parts)

    def _add_stock(self, string: str, parts: "_Parts") -> None:
        """Add the tokens that the rules of the language make."""
        if not _is_long(string):
            parts.add_doc(super().__call__(string))
            return
        stock = super().__call__
        for text in cut_signs(string, lambda text: [token.text for token in stock(text)]):
            parts.add_doc(stock(text))

    def _add_run(self, units: list[str], parts: "_Parts") -> None:
        """Add the units of a stretch without spaces, or the pieces that they make up."""
        words = units if self.pieces is None else _words(self.pieces, units)
        for word in words:
            parts.add(word, False, 0)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """RETURNS (bytes): The rules; beside them the pieces, if there are any."""
        stock = super().to_bytes(exclude=exclude)
        if self.pieces is None:
            return cast(bytes, stock)
        found = {STOCK: stock, "pieces": self.pieces.pieces, "scores": self.pieces.scores}
        return cast(bytes, srsly.msgpack_dumps(found))

    def from_bytes(
        self, bytes_data: bytes, *, exclude: Iterable[str] = ()
    ) -> "MultilingualTokenizer":
        """Load what `to_bytes` gave."""
        msg = srsly.msgpack_loads(bytes_data)
        self.pieces = None
        if isinstance(msg, dict) and STOCK in msg:
            self.pieces = UnspacedPieces(msg["pieces"], msg["scores"])
            bytes_data = msg[STOCK]
        super().from_bytes(bytes_data, exclude=exclude)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        function, arguments, *_ = super().__reduce__()
        found = None if self.pieces is None else (self.pieces.pieces, self.pieces.scores)
        return _unpickle, (function, arguments, found)


def _is_long(string: str) -> bool:
    return len(string) > LONGEST


def _unpickle(
    function: Callable[..., MultilingualTokenizer],
    arguments: tuple[Any, ...],
    found: tuple[list[str], list[float]] | None,
) -> MultilingualTokenizer:
    made = function(*arguments)
    made.pieces = None if found is None else UnspacedPieces(*found)
    return made


def _is_own_piece(piece: str) -> bool:
    return OWN_PIECE.fullmatch(piece) is not None and UNSPACED.search(piece) is not None


def _words(pieces: UnspacedPieces, units: list[str]) -> Iterator[str]:
    """YIELDS (str): The pieces of a run. What is not a piece stays in its units, and a mark
    stays with what it marks."""
    run = "".join(units)
    # Where a unit begins: only there may a token that is not a piece begin.
    begins, place = set(), 0
    for unit in units:
        begins.add(place)
        place += len(unit)
    word, place = "", 0
    for part, is_piece in pieces.cut(run):
        for text in [part] if is_piece else part:
            starts = not FIRST_MARK.match(text) and (is_piece or place in begins)
            if starts and word:
                yield word
                word = ""
            word += text
            place += len(text)
    if word:
        yield word


class _Parts:
    """The tokens of a Doc to be, as far as they are known."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.spaces: list[bool] = []
        self.norms: list[int] = []

    def add(self, word: str, space: bool, norm: int) -> None:
        self.words.append(word)
        self.spaces.append(space)
        self.norms.append(norm)

    def add_doc(self, doc: Doc) -> None:
        for token in doc:
            self.add(token.text, bool(token.whitespace_), token.norm)

    def add_space(self) -> None:
        """As everywhere in spaCy, one space belongs to the token before it."""
        if self.spaces and not self.spaces[-1]:
            self.spaces[-1] = True
        else:
            self.add(" ", False, 0)

    def take_space(self, text: str) -> str:
        """Give the space a text begins with to the token before it. RETURNS (str): The rest."""
        if text.startswith(" ") and self.spaces and not self.spaces[-1]:
            self.spaces[-1] = True
            return text[1:]
        return text


def build_multilingual_tokenizer_v1() -> Callable[[Language], Tokenizer]:
    """Tokenize raw text of any language.

    CREATES: A tokenizer with the rules of the pipeline's language (`xx`) that also splits scripts
        written without spaces.

    ```ini
    [nlp.tokenizer]
    @tokenizers = "dlfa_spacy.MultilingualTokenizer.v1"
    ```

    These scripts are cut into characters and syllables; with the next block, which needs an encoder
    with a Unigram vocabulary (XLM-R, multilingual-e5), into the wordpieces of that encoder:

    ```ini
    [initialize.tokenizer]
    encoder = ${components.transformer.model.name}
    ```
    """
    return make_tokenizer


def make_tokenizer(nlp: Language) -> Tokenizer:
    """RETURNS (Tokenizer): A `MultilingualTokenizer` with the defaults of `nlp`."""
    defaults = nlp.Defaults
    prefixes, suffixes, infixes = defaults.prefixes, defaults.suffixes, defaults.infixes
    return MultilingualTokenizer(
        nlp.vocab,
        rules=defaults.tokenizer_exceptions,
        prefix_search=compile_prefix_regex(prefixes).search if prefixes else None,
        suffix_search=compile_suffix_regex(suffixes).search if suffixes else None,
        infix_finditer=compile_infix_regex(infixes).finditer if infixes else None,
        token_match=defaults.token_match,
        url_match=defaults.url_match,
    )
