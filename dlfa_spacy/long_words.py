"""Runs of thousands of symbols without a blank, such as emoji or brackets, in linear time.

spaCy takes symbols off both ends of a word, one at a time, and copies the rest for each: a run of
200,000 emoji would take an hour. Symbols in the middle of a word are no problem.
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
    """Cut a text inside the symbols that long words begin and end with.

    Symbols that are tokens by themselves, as emoji and brackets are, stay tokens. Of those that
    spaCy joins (`''` or `:)`), other ones may be joined after a cut.

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
    """YIELDS (int): Where the symbols of a word can be cut, not too near to anything else."""
    front = _SIGNS.match(text, start, end)
    first = front.end() if front else start
    last = end
    while last > first and _SIGNS.match(text[last - 1]):
        last -= 1
    yield from range(start + _STEP, first - _REACH, _STEP)
    yield from range(max(last, start) + _STEP, end - _REACH, _STEP)
