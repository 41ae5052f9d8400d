"""A tokenizer for raw text in any language, also those written without spaces."""

import re
from collections.abc import Callable

from spacy.language import Language
from spacy.tokenizer import Tokenizer
from spacy.tokens import Doc
from spacy.util import compile_infix_regex, compile_prefix_regex, compile_suffix_regex

# One unit of each script that is written without spaces between words.
UNITS = "|".join(
    [
        # Han, one character; the iteration and closing marks are Han too.
        r"[\u3005\u3007\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\U00020000-\U0003FFFF]",
        # Kana, one mora: a kana with its small kana and length marks.
        r"[\u3041-\u3096\u30A1-\u30FA\uFF66-\uFF9D]"
        r"[\u3041\u3043\u3045\u3047\u3049\u3083\u3085\u3087"
        r"\u30A1\u30A3\u30A5\u30A7\u30A9\u30E3\u30E5\u30E7\u30FC\u3099\u309A]*",
        # Thai and Lao: preposed vowel, consonant, marks above and below, following vowel.
        r"[\u0E40-\u0E44]?[\u0E01-\u0E2E][\u0E31\u0E34-\u0E3A\u0E47-\u0E4E]*[\u0E30\u0E32\u0E33\u0E45]?",
        r"[\u0EC0-\u0EC4]?[\u0E81-\u0EAE\u0EDC-\u0EDF][\u0EB1\u0EB4-\u0EBC\u0EC8-\u0ECE]*[\u0EB0\u0EB2\u0EB3]?",
        # Khmer: consonant, subscripts, signs.
        r"[\u1780-\u17A2](?:\u17D2[\u1780-\u17A2])*[\u17B6-\u17D1\u17D3\u17DD]*",
        # Burmese: consonant, stacked consonants, signs, closing consonant with asat.
        r"[\u1000-\u1021](?:\u1039[\u1000-\u1021])*[\u102B-\u1038\u103B-\u103E\u105E-\u1060]*"
        r"(?:[\u1000-\u1021][\u103A\u1037\u1038]+)*\u103A?[\u1037\u1038]*",
    ]
)
UNSPACED = re.compile(
    r"[\u0E01-\u0E4E\u0E81-\u0ECE\u0EDC-\u0EDF\u1000-\u109F\u1780-\u17DD\u3005\u3007\u3041-\u30FF"
    r"\u3400-\u4DBF\u4E00-\u9FFF\uF900-\uFAFF\uFF66-\uFF9D\U00020000-\U0003FFFF]"
)
# A unit, or a run of anything else: nothing is ever lost.
PARTS = re.compile(f"(?:{UNITS})|(?:(?!{UNITS}).)+", re.DOTALL)


class MultilingualTokenizer(Tokenizer):
    """spaCy's tokenizer, and runs of Han, Kana, Thai, Lao, Khmer and Burmese in small units.

    With the stock `xx` tokenizer a Chinese clause is one token, which no component can tag and no
    entity can begin in. Here it is one token a character (Han) or syllable (the other scripts).
    Texts without these scripts are tokenized exactly as by the stock tokenizer.
    """

    def __call__(self, string: str) -> Doc:
        doc = super().__call__(string)
        if not UNSPACED.search(string):
            return doc
        words: list[str] = []
        spaces: list[bool] = []
        for token in doc:
            parts = PARTS.findall(token.text) if UNSPACED.search(token.text) else [token.text]
            words.extend(parts)
            spaces.extend([False] * (len(parts) - 1))
            spaces.append(bool(token.whitespace_))
        return Doc(doc.vocab, words=words, spaces=spaces)


def build_multilingual_tokenizer_v1() -> Callable[[Language], Tokenizer]:
    """Tokenize raw text of any language.

    CREATES: A tokenizer with the rules of the pipeline's language (`xx`) that also splits scripts
        written without spaces.

    ```ini
    [nlp.tokenizer]
    @tokenizers = "dlfa_spacy.MultilingualTokenizer.v1"
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
