"""Spaces for formats that do not record them."""

from __future__ import annotations

from collections.abc import Sequence

# Languages whose running text has no spaces between words.
UNSEGMENTED = frozenset(
    "zh zh-hans zh-hant zh-cn zh-tw yue wuu gan lzh zh-yue ja th lo km my".split()
)


def writes_spaces(language: str) -> bool:
    """Whether running text of a language has spaces between words.

    language (str): Language code, e.g. `de` or `zh-hans`.
    RETURNS (bool): False for Chinese, Japanese, Thai, Lao, Khmer and Burmese.
    """
    code = language.lower().replace("_", "-")
    return code not in UNSEGMENTED and code.split("-")[0] not in UNSEGMENTED


def _spaced_script(char: str) -> bool:
    # Latin, Greek, Cyrillic, Armenian, Hebrew, Arabic: everything below the Indic blocks. Kana,
    # Han, Thai and their neighbors lie above.
    return char.isalnum() and ord(char) < 0x0900


def guess_spaces(words: Sequence[str], *, spaced: bool) -> list[bool]:
    """Decide after which tokens a space stands.

    With `spaced=False` a space is put only between two words of a spaced script (`San Pedro`
    inside Chinese), unless both are single characters: PAN-X cuts Latin words of Chinese and
    Japanese text into letters, and `G U N D A M` should be `GUNDAM` again.

    words (Sequence[str]): The tokens of a sentence.
    spaced (bool): Whether the language writes spaces between words.
    RETURNS (List[bool]): Whether a space follows each token; never after the last one.
    """
    spaces: list[bool] = []
    for left, right in zip(words, words[1:], strict=False):
        if spaced:
            spaces.append(True)
        else:
            both = _spaced_script(left[-1]) and _spaced_script(right[0])
            spaces.append(both and len(left) + len(right) > 2)
    if words:
        spaces.append(False)
    return spaces
