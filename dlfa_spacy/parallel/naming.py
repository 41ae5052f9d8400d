"""The language of a file of parallel text, by its name."""

from __future__ import annotations

import re
from pathlib import Path

ENGLISH = "en"
# de-en, zh-Hant-en, en-de, de; the rest of the name may stand before: train.de-en, wiki_de-en.
_CODE = r"[a-z]{2,3}(?:-[A-Z][A-Za-z]{1,3})?"
_NAME = re.compile(rf"^(?:.*[._])?(?P<first>{_CODE})(?:-(?P<second>[a-z]{{2,3}}))?$")


def languages_of_name(path: Path) -> tuple[str, str]:
    """Tell the two languages of a file by its name.

    path (Path): `<xx>-en.tsv`, `en-<xx>.txt` or `<xx>.tsv`.
    RETURNS (Tuple[str, str]): First and second language; the second is English if not named.
    RAISES (ValueError): The name has no language code, or English is not one of two.
    """
    match = _NAME.match(path.stem)
    found = (match["first"], match["second"] or ENGLISH) if match else ("", "")
    if (found[0] == ENGLISH) == (found[1] == ENGLISH):
        raise ValueError(
            f"{path}: cannot tell the languages by the name {path.name!r}. Expected "
            f"<language>-en{path.suffix}, such as de-en{path.suffix}. Fix: rename the file."
        )
    return found


def foreign_language(path: Path) -> str:
    """RETURNS (str): The language that is not English, see `languages_of_name`."""
    first, second = languages_of_name(path)
    return second if first == ENGLISH else first
