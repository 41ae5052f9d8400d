"""Which format a file is in, and which language and split it holds."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .labelled_text import LABEL_COLUMNS, TEXT_COLUMNS
from .lines import numbered_lines

FORMATS = ("conllu", "iob2", "tsv")

_SUFFIXES = {
    ".conllu": "conllu",
    ".iob2": "iob2",
    ".iob": "iob2",
    ".bio": "iob2",
    ".tsv": "",
    ".conll": "",
    "": "",
}
_UD_NAME = re.compile(r"^([a-z]{2,3})_[a-z0-9]+-ud-([a-z]+)(?:-[a-z0-9]+)*$")
_LANGUAGE = re.compile(r"^[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*$")


class Part(NamedTuple):
    """What a file of a corpus folder holds: a language and a split of it."""

    language: str
    split: str


def detect_format(path: Path) -> str:
    """Tell the format of a file by its suffix, or else by its first lines.

    path (Path): The file.
    RETURNS (str): `"conllu"`, `"iob2"` or `"tsv"` (labelled texts).
    RAISES (ValueError): If it is none of them.
    """
    known = _SUFFIXES.get(path.suffix.lower())
    if known:
        return known
    for _, line in islice(numbered_lines(path), 200):
        if not line.strip() or (line.startswith("#") and "\t" not in line):
            continue
        columns = line.split("\t")
        if len(columns) == 10:
            return "conllu"
        if set(columns) & set(LABEL_COLUMNS) and set(columns) & set(TEXT_COLUMNS):
            return "tsv"
        if 2 <= len(line.split()) <= 5 or len(columns) >= 2:
            return "iob2"
        break
    raise ValueError(
        f"{path}: cannot tell the format, expected CoNLL-U (10 tab-separated columns), IOB2 "
        "(token TAB tag) or TSV with a header (category, text). Give it with --format "
        f"({', '.join(FORMATS)})."
    )


def looks_like_language(name: str) -> bool:
    """Whether a folder's name can be a language code (`de`, `zh-hans`).

    name (str): The name.
    RETURNS (bool): True if it can.
    """
    return _LANGUAGE.match(name) is not None


def part_of(path: Path, language: str | None = None) -> Part:
    """Tell language and split of a corpus file by its place and name.

    Understood are `de/test.conllu`, the names of a UD release
    (`UD_German-GSD/de_gsd-ud-test.conllu`) and PAN-X's `de/test`.

    path (Path): The file.
    language (Optional[str]): The language, if the user has said it.
    RETURNS (Part): Language and split.
    RAISES (ValueError): If the language cannot be told.
    """
    match = _UD_NAME.match(path.stem)
    if match is not None:
        return Part(language or match[1], match[2])
    if language:
        return Part(language, path.stem)
    parent = path.resolve().parent.name
    if looks_like_language(parent):
        return Part(parent, path.stem)
    raise ValueError(
        f"{path}: cannot tell the language, found the folder {parent!r}, expected a folder named "
        "by a language code (de/test.conllu) or a UD file name (de_gsd-ud-test.conllu). Give it "
        "with --lang."
    )


def list_parts(folder: Path) -> dict[Part, list[Path]]:
    """List the corpus files of a folder, two levels deep, treebanks of a language pooled.

    folder (Path): A folder with one folder per language or per treebank.
    RETURNS (Dict[Part, List[Path]]): Files by language and split, both sorted; maybe empty.
    """
    parts: dict[Part, list[Path]] = {}
    for path in sorted(folder.glob("*/*")):
        named = looks_like_language(path.parent.name) or _UD_NAME.match(path.stem)
        # Notes beside a corpus (README.txt, LICENSE) are no splits of it.
        is_split = path.suffix.lower() in _SUFFIXES and re.match(r"^[a-z]", path.name)
        if named and is_split and path.is_file():
            parts.setdefault(part_of(path), []).append(path)
    return dict(sorted(parts.items()))


def find_parts(folder: Path) -> dict[Part, list[Path]]:
    """As `list_parts`, for a folder that must hold something.

    folder (Path): A folder with one folder per language or per treebank.
    RETURNS (Dict[Part, List[Path]]): Files by language and split, both sorted.
    RAISES (ValueError): If there are none.
    """
    parts = list_parts(folder)
    if not parts:
        raise ValueError(
            f"{folder}: found no corpus files, expected <lang>/<split>.conllu, .iob2 or .tsv "
            "(de/test.conllu) or UD_German-GSD/de_gsd-ud-test.conllu. Point to the folder that "
            "holds the language folders."
        )
    return parts
