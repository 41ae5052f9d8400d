"""Names that become part of a path: checked before anything is written under them."""

from __future__ import annotations

import re

# At most so long that four of them, with what is put around them, are still a path.
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,4}")
_NAME = re.compile(r"\w[\w .,+=@()-]{0,99}")

A_LANGUAGE = "a language code such as de or zh-hans"
A_NAME = (
    "a plain name: letters, digits and _-+.,=@() or spaces, a letter or digit first, at most 100"
)


def is_language(name: str) -> bool:
    """Whether a string can be a language code (`de`, `zh-hans`), and so the name of a folder.

    name (str): The string.
    RETURNS (bool): True if it can.
    """
    return _LANGUAGE.fullmatch(name) is not None


def is_plain_name(name: str) -> bool:
    """Whether a string can be the name of a file or folder, wherever it comes from.

    name (str): The string.
    RETURNS (bool): False for what leads to another folder (`../x`, `/x`), is hidden (`.x`) or holds
        a character that no terminal shows.
    """
    return _NAME.fullmatch(name) is not None and name == name.rstrip(" .")
