"""Rows of thousands of signs without a blank, such as emoji or brackets, in linear time.

spaCy takes signs off both ends of a word, one at a time, and copies the rest for each: a row of
200,000 emoji would take an hour. Signs in the middle of a word are no trouble.
"""

import re
from collections.abc import Callable, Iterator

# Up to this many characters, words are tokenized as they are.
LONGEST = 512
_STEP = 64
# So much context decides about a cut, on either side.
_REACH = 16
_LONG = re.compile(rf"\S{{{LONGEST + 1},}}")
_SIGNS = re.compile(r"[\W_]+")

Tokens = Callable[[str], list[str]]


def cut_signs(text: str, tokens: Tokens) -> Iterator[str]:
    """Cut a text inside the signs that long words begin and end with.

    Signs that are tokens of their own, as emoji and brackets are, stay what they are. Of those that
    spaCy takes together (`''` or `:)`), other ones may be together after a cut.

    text (str): The text.
    tokens (Callable[[str], List[str]]): The tokenizer.
    YIELDS (str): Its parts, in order. One, if it has no word of more than `LONGEST` characters.
    """
    begin = 0
    for word in _LONG.finditer(text):
        for place in _places(text, word.start(), word.end()):
            if len(tokens(text[place - _REACH : place + _REACH])) >= _REACH:
                yield text[begin:place]
                begin = place
    yield text[begin:]


def _places(text: str, start: int, end: int) -> Iterator[int]:
    """YIELDS (int): Where the signs of a word can be cut, not too near to anything else."""
    front = _SIGNS.match(text, start, end)
    first = front.end() if front else start
    last = end
    while last > first and _SIGNS.match(text[last - 1]):
        last -= 1
    yield from range(start + _STEP, first - _REACH, _STEP)
    yield from range(max(last, start) + _STEP, end - _REACH, _STEP)
