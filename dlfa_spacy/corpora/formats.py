"""Which format a file is in, and which corpus files a folder holds."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

from ..files.lines import numbered_lines
from ..files.plain_names import is_language
from .iob import is_iob
from .jsonl import parse_json
from .labelled_text import LABEL_COLUMNS, TEXT_FORMATS, has_header, languages_of
from .labels import NLI, PARAPHRASE
from .naming import Part, names_its_part, part_of
from .tsv import withheld

FORMATS = ("conllu", "iob2", *TEXT_FORMATS)

_SUFFIXES = {
    ".conllu": "conllu",
    ".iob2": "iob2",
    ".iob": "iob2",
    ".bio": "iob2",
    ".jsonl": "",
    ".tsv": "",
    ".conll": "",
    "": "",
}
# The headers of PAWS-X and of MNLI's machine-translated files. XNLI's has "gold_label".
_PAWSX_HEADER = {"id", "sentence1", "sentence2", "label"}
_MNLI_HEADER = {"premise", "hypo", "label"}


def _by_columns(path: Path, number: int, columns: list[str]) -> str | None:
    names = set(columns)
    if has_header(columns) and names & {*LABEL_COLUMNS}:
        if "gold_label" in names or names == _MNLI_HEADER:
            return "xnli"
        return "pawsx" if names == _PAWSX_HEADER else "tsv"
    if len(columns) == 3:
        label = columns[2].strip()
        if label in NLI.names or label in NLI.spellings:
            return "xnli"
        if label in PARAPHRASE.spellings:
            return "pawsx"
    if len(columns) == 2 and " " in columns[1].strip() and not is_iob(columns[1].strip()):
        raise withheld(path, number, "\t".join(columns))
    return None


def detect_format(path: Path) -> str:
    """Tell the format of a file by its suffix, or else by its first lines.

    path (Path): The file.
    RETURNS (str): `"conllu"`, `"iob2"`, `"tsv"`, `"jsonl"` (labeled texts or pairs), `"xnli"` or
        `"pawsx"`.
    RAISES (ValueError): If it is none of them.
    """
    known = _SUFFIXES.get(path.suffix.lower())
    if known:
        return known
    for number, line in islice(numbered_lines(path), 200):
        if not line.strip() or (line.startswith("#") and "\t" not in line):
            continue
        if path.suffix.lower() == ".jsonl":
            return "xnli" if "gold_label" in parse_json(path, number, line) else "jsonl"
        columns = line.split("\t")
        if len(columns) == 10:
            return "conllu"
        kind = _by_columns(path, number, columns)
        if kind is not None:
            return kind
        if 2 <= len(line.split()) <= 5 or len(columns) >= 2:
            return "iob2"
        break
    else:
        raise ValueError(
            f"{path}:1: found an empty file, expected a corpus. Fix: fill it or remove it."
        )
    raise ValueError(
        f"{path}: cannot tell the format, expected CoNLL-U (10 tab-separated columns), IOB2 "
        "(token TAB tag), TSV with a header (category, text; or sentence1, sentence2, label) or "
        f"JSONL. Give it with --format ({', '.join(FORMATS)})."
    )


def parts_of(path: Path, language: str | None = None) -> list[Part]:
    """Tell what a file holds; XNLI's hold one split of all languages.

    path (Path): The file.
    language (Optional[str]): The language, if the user has said it.
    RETURNS (List[Part]): Languages and split, sorted.
    RAISES (ValueError): If the language cannot be told.
    """
    if not language and path.suffix.lower() in (".tsv", ".jsonl"):
        own = names_its_part(path) or not is_language(path.resolve().parent.name)
        languages = languages_of(path) if own and path.stat().st_size else []
        if languages:
            return [part_of(path, name) for name in languages]
    return [part_of(path, language)]


def list_parts(folder: Path) -> dict[Part, list[Path]]:
    """List the corpus files of a folder, two levels deep, treebanks of a language pooled.

    folder (Path): A folder with one folder per language or per treebank, or with files that say by
        their names what they are (`test-de.tsv`, `xnli.test.tsv`).
    RETURNS (Dict[Part, List[Path]]): Files by language and split, both sorted; maybe empty.
    """
    parts: dict[Part, list[Path]] = {}
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        in_language = path.parent != folder and is_language(path.parent.name)
        # Notes beside a corpus (README.txt, LICENSE) are not splits of it.
        is_split = path.suffix.lower() in _SUFFIXES and re.match(r"^[a-z]", path.name)
        if (in_language or names_its_part(path)) and is_split and path.is_file():
            for part in parts_of(path):
                parts.setdefault(part, []).append(path)
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
            f"{folder}: found no corpus files, expected <lang>/<split>.conllu, .iob2, .tsv or "
            ".jsonl (de/test.conllu), UD_German-GSD/de_gsd-ud-test.conllu, test-de.tsv or "
            "xnli.test.tsv. Point to the folder that holds the language folders."
        )
    return parts
