"""Language and split of a corpus file, from its place and its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ..files.plain_names import A_LANGUAGE, A_NAME, is_language, is_plain_name

# UD: de_gsd-ud-test. XTREME: test-de. XNLI and its training set: xnli.test, multinli.train.de.
_UD_NAME = re.compile(r"^([a-z]{2,3})_[a-z0-9]+-ud-([a-z]+)(?:-[a-z0-9]+)*$")
_XTREME_NAME = re.compile(r"^(train|dev|test)-([a-z]{2,3}(?:-[A-Za-z]{2,4})?)$")
_XNLI_NAME = re.compile(r"^(?:xnli|multinli)\.(train|dev|test)(?:\.([a-z]{2,3}))?$")
# PAWS-X: 2k stands for the number of pairs.
_SPLITS = {"test_2k": "test", "dev_2k": "dev"}


class Part(NamedTuple):
    """What a file of a corpus folder holds: a language and a split of it."""

    language: str
    split: str


def names_its_part(path: Path) -> bool:
    """Whether the name of a file tells language and split by itself.

    path (Path): The file.
    RETURNS (bool): True for `de_gsd-ud-test.conllu`, `test-de.tsv` and `xnli.test.tsv`, which holds
        all languages.
    """
    patterns = (_UD_NAME, _XTREME_NAME, _XNLI_NAME)
    return any(pattern.match(path.stem) for pattern in patterns)


def split_of(path: Path) -> str:
    """Tell the split of a corpus file by its name.

    path (Path): The file.
    RETURNS (str): `train`, `dev`, `test`, or whatever the file is called.
    """
    for pattern, group in ((_UD_NAME, 2), (_XTREME_NAME, 1), (_XNLI_NAME, 1)):
        match = pattern.match(path.stem)
        if match is not None:
            return match[group]
    return _SPLITS.get(path.stem, path.stem)


def part_of(path: Path, language: str | None = None) -> Part:
    """Tell language and split of a corpus file by its place and name.

    Understood are `de/test.conllu`, the names of a UD release
    (`UD_German-GSD/de_gsd-ud-test.conllu`), PAN-X's `de/test`, XTREME's `test-de.tsv`, PAWS-X's
    `de/test_2k.tsv` and MNLI's `multinli.train.en.tsv`.

    path (Path): The file.
    language (Optional[str]): The language, if the user has said it.
    RETURNS (Part): Language and split.
    RAISES (ValueError): If the language cannot be told, or a name could lead elsewhere.
    """
    split = split_of(path)
    if not is_plain_name(split):
        raise ValueError(
            f"{path}: found the split {split!r} in the file's name, expected {A_NAME}. "
            "Fix: rename the file."
        )
    if language:
        if not is_language(language):
            raise ValueError(
                f"{path}: found the language {language!r}, expected {A_LANGUAGE}. "
                "Fix: --lang with a code."
            )
        return Part(language, split)
    for pattern, group in ((_UD_NAME, 1), (_XTREME_NAME, 2), (_XNLI_NAME, 2)):
        match = pattern.match(path.stem)
        if match is not None and match[group]:
            return Part(match[group], split)
    parent = path.resolve().parent.name
    if is_language(parent):
        return Part(parent, split)
    raise ValueError(
        f"{path}: cannot tell the language, found the folder {parent!r}, expected a folder named "
        "by a language code (de/test.conllu), a UD file name (de_gsd-ud-test.conllu) or XTREME's "
        "(test-de.tsv). Give it with --lang."
    )
