"""Labeled texts and pairs of texts: XNLI, PAWS-X, SIB-200, and any TSV or JSONL like them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files.errors import malformed
from ..files.plain_names import A_LANGUAGE, is_language
from .jsonl import read_jsonl
from .labels import SCHEMES, LabelReader, LabelScheme, check_label_count, order_labels
from .sentence import ReadingNotes
from .tsv import Record, first_line, read_tsv, read_xtreme_tsv

TEXT_FORMATS = tuple(SCHEMES)

LABEL_COLUMNS = ("category", "label", "topic", "gold_label")
TEXT_COLUMNS = ("text", "sentence")
# MNLI's machine-translated files say "hypo".
PAIR_COLUMNS = (("premise", "hypothesis"), ("sentence1", "sentence2"), ("premise", "hypo"))
CATS = "cats"
LANGUAGE = "language"

_KEYS = (*LABEL_COLUMNS, *TEXT_COLUMNS, *dict.fromkeys(sum(PAIR_COLUMNS, ())), LANGUAGE)


@dataclass
class LabelledText:
    """A text or a pair of texts, and what it is.

    first (str): The text.
    second (Optional[str]): The second text; `None` for a text that is not a pair.
    cats (Dict[str, float]): The labels that the file gives it, 1.0 for those that hold.
    language (Optional[str]): Its language, if the file names one for each text.
    line (int): Line of the file, counted from 1.
    """

    first: str
    second: str | None
    cats: dict[str, float]
    language: str | None = None
    line: int = 0


def is_json(path: Path) -> bool:
    """Whether a file of texts is JSONL rather than TSV.

    path (Path): The file.
    RETURNS (bool): True if its first line begins with a brace.
    """
    return first_line(path).lstrip().startswith("{")


def has_header(columns: Sequence[str]) -> bool:
    """Whether the first line of a TSV names the columns of texts.

    columns (Sequence[str]): Its columns.
    RETURNS (bool): True if it does.
    """
    names = {column.strip() for column in columns}
    return any(names.issuperset(pair) for pair in PAIR_COLUMNS) or bool(names & {*TEXT_COLUMNS})


def _check_header(path: Path, line: int, header: Mapping[str, object]) -> None:
    pair = any(first in header and second in header for first, second in PAIR_COLUMNS)
    for names, found in (
        (LABEL_COLUMNS, any(name in header for name in LABEL_COLUMNS)),
        (TEXT_COLUMNS, pair or any(name in header for name in TEXT_COLUMNS)),
    ):
        if not found:
            raise malformed(
                path,
                line,
                "\t".join(header),
                f"a header with a column named {' or '.join(names)}",
                "Fix: add a header line with tab-separated column names (pairs: sentence1 and "
                "sentence2).",
            )


def _records(path: Path, scheme: LabelScheme) -> Iterator[Record]:
    if is_json(path):
        yield from read_jsonl(path)
    elif scheme.names and not has_header(first_line(path).split("\t")):
        yield from read_xtreme_tsv(path)
    else:
        records = read_tsv(path, _KEYS)
        line, header = next(records)
        _check_header(path, line, header)
        yield from records


def _string(path: Path, line: int, key: str, value: object) -> str:
    if not isinstance(value, str):
        raise malformed(path, line, value, f"a string under {key!r}", "Fix: write the text.")
    # JSON can spell half of a character (\ud83d), which no UTF-8 file and no Doc can hold.
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise malformed(
                path,
                line,
                value[error.start : error.end],
                f"text without unpaired surrogates under {key!r}",
                "Fix: write both halves of the character, or remove it.",
            ) from error
    return value


def _language(path: Path, line: int, values: Mapping[str, object]) -> str | None:
    found = values.get(LANGUAGE)
    if not isinstance(found, str) or not found:
        return None
    # Folders are named after it.
    if not is_language(found):
        raise malformed(
            path,
            line,
            found,
            f"{A_LANGUAGE} under {LANGUAGE!r}",
            "Fix: write the code of the language, in small letters.",
        )
    return found


def _texts(path: Path, line: int, values: Mapping[str, object]) -> tuple[str, str | None]:
    for keys in PAIR_COLUMNS:
        if keys[0] in values and keys[1] in values:
            first, second = (_string(path, line, key, values[key]) for key in keys)
            return first, second
    for key in TEXT_COLUMNS:
        if key in values:
            return _string(path, line, key, values[key]), None
    raise malformed(
        path,
        line,
        ", ".join(values),
        "the keys premise and hypothesis, sentence1 and sentence2, or text",
        "Fix: rename the keys of the texts, and give both texts of a pair.",
    )


def _graded(path: Path, line: int, value: object) -> float:
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise malformed(
        path, line, value, "0, 1 or a number between them under 'cats'", "Fix: correct the value."
    )


def _cats(
    path: Path, line: int, values: Mapping[str, object], labels: LabelReader
) -> dict[str, float] | None:
    """The labels of a text; `None` where the annotators did not agree."""
    cats = values.get(CATS)
    keys = [key for key in LABEL_COLUMNS if key in values]
    if cats is not None and not keys:
        graded: dict[object, float]
        if isinstance(cats, list):
            graded = {}
            for label in cats:
                name = labels.read(label, line)
                if name is not None:
                    graded[name] = 1.0
        elif isinstance(cats, dict):
            graded = {
                labels.read(label, line): _graded(path, line, value)
                for label, value in cats.items()
            }
        else:
            raise malformed(
                path,
                line,
                cats,
                'labels as a list (["a"]) or with their values ({"a": 1, "b": 0}) under \'cats\'',
                "Fix: write one of them, or a single label under 'label'.",
            )
        return {name: value for name, value in graded.items() if isinstance(name, str)}
    if not keys or cats is not None:
        raise malformed(
            path,
            line,
            ", ".join(values),
            f"one of the keys {', '.join(LABEL_COLUMNS)} or {CATS}",
            "Fix: give each text its label under one key.",
        )
    value = values[keys[0]]
    if value is None or (isinstance(value, str) and not value.strip()):
        raise malformed(
            path, line, value, "a text and a label", "Fix: fill both, or drop the line."
        )
    name = labels.read(value, line)
    return None if name is None else {name: 1.0}


def _count_empty(
    path: Path, line: int, first: str, second: str | None, notes: ReadingNotes
) -> None:
    n_empty = (not first.strip()) + (second is not None and not second.strip())
    if n_empty and second is None:
        # An empty text has no tokens: spaCy's readers would silently drop it.
        raise malformed(
            path, line, first, "a text and a label", "Fix: fill both, or drop the line."
        )
    if n_empty:
        notes.counts["empty_pairs" if n_empty == 2 else "half_empty_pairs"] += 1


def read_labelled_text(
    path: Path,
    *,
    format: str = "tsv",
    labels: Sequence[str] = (),
    numbered: bool = False,
    language: str | None = None,
    notes: ReadingNotes | None = None,
) -> Iterator[LabelledText]:
    """Read labeled texts or pairs, one after the other; nothing of the file is kept.

    path (Path): A TSV whose header names a label column (`category`, `label`, `topic`,
        `gold_label`) and `text`, `sentence`, or a pair (`sentence1` and `sentence2`, `premise` and
        `hypothesis` or `hypo`); XTREME's TSV without a header; or JSONL with the same keys.
    format (str): `"xnli"` and `"pawsx"` know their labels and take files without a header;
        `"tsv"` and `"jsonl"` take any labels.
    labels (Sequence[str]): The labels of the corpus; empty to take any.
    numbered (bool): Whether a number may stand for a label, by its place in `labels`.
    language (Optional[str]): Read the texts of this language only, if the file says for each
        which language it is.
    notes (Optional[ReadingNotes]): Receives the counts of what was read, changed or left out.
    YIELDS (LabelledText): The texts.
    RAISES (ValueError): On a malformed line, naming file and line.
    """
    notes = notes if notes is not None else ReadingNotes()
    scheme = SCHEMES[format]
    reader = LabelReader(path, scheme, labels, numbered=numbered)
    others: set[str] = set()
    n_read = 0
    for line, values in _records(path, scheme):
        own = _language(path, line, values)
        if own and language and own != language:
            others.add(own)
            continue
        n_read += 1
        first, second = _texts(path, line, values)
        if scheme.untranslated and scheme.untranslated in (first.strip(), (second or "").strip()):
            notes.counts["untranslated_pairs"] += 1
            continue
        cats = _cats(path, line, values, reader)
        if cats is None:
            notes.counts["undecided_texts"] += 1
            continue
        _count_empty(path, line, first, second, notes)
        notes.counts["sentences"] += 1
        yield LabelledText(first, second, cats, own or language, line)
    if others and not n_read:
        raise malformed(
            path,
            1,
            ", ".join(sorted(others)),
            f"texts of the language {language!r}",
            "Fix: give a language of the file with --lang, or remove its language column.",
        )
    reader.finish()


def languages_of(path: Path) -> list[str]:
    """List the languages that a file of texts names, one for each text.

    path (Path): A TSV or JSONL file.
    RETURNS (List[str]): The languages, sorted; empty if the file names none.
    RAISES (ValueError): If one of them is not a language code, naming file and line.
    """
    if is_json(path):
        records = read_jsonl(path)
    else:
        header = first_line(path).split("\t")
        if LANGUAGE not in header or not has_header(header):
            return []
        records = read_tsv(path, (LANGUAGE,))
        next(records)
    found: set[str] = set()
    for line, values in records:
        language = _language(path, line, values)
        if language is None:
            return []
        found.add(language)
    return sorted(found)


def labels_of(
    path: Path, *, format: str = "tsv", labels: Sequence[str] = (), numbered: bool = False
) -> list[str]:
    """Collect the labels of a file, and check every line of it on the way.

    path (Path): The file.
    format (str): Its format, see `read_labelled_text`.
    labels (Sequence[str]): The labels of the corpus; empty to take any.
    numbered (bool): Whether a number may stand for a label.
    RETURNS (List[str]): `labels`, or those of the format, or those found, in their order.
    RAISES (ValueError): If a line is malformed, or the file holds no texts.
    """
    found: set[str] = set()
    n_texts = line = 0
    for text in read_labelled_text(path, format=format, labels=labels, numbered=numbered):
        n_texts += 1
        if not found.issuperset(text.cats):
            found.update(text.cats)
            line = text.line
    if not n_texts:
        raise malformed(path, 1, "no texts", "at least one", "Fix: fill the file or remove it.")
    known = list(labels or SCHEMES[format].names)
    if known:
        return known
    check_label_count(path, line, len(found), n_texts)
    return order_labels(found)
