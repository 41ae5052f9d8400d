"""TSV: one text or pair per line, with a header that names the columns, or as XTREME writes it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..files.errors import malformed
from ..files.lines import numbered_lines

Record = tuple[int, dict[str, object]]

XTREME_COLUMNS = ("sentence1", "sentence2", "label")


def first_line(path: Path) -> str:
    """Read the first line that has something in it.

    path (Path): The file.
    RETURNS (str): The line.
    RAISES (ValueError): If there is none.
    """
    for _, line in numbered_lines(path):
        if line.strip():
            return line
    raise malformed(path, 1, "", "at least one line with something in it", "Fix: fill the file.")


def unquote(text: str) -> str:
    """Undo the quotes that Python's csv module writes around a text with quotes.

    XTREME's preprocessing writes with that module and reads without it, so its copies have
    `"He said ""no""."` where XNLI has `He said "no".`.

    text (str): A column.
    RETURNS (str): The text; unchanged if the csv module would not have written it so.
    """
    if len(text) < 4 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    if '""' not in inner or '"' in inner.replace('""', ""):
        return text
    return inner.replace('""', '"')


def read_tsv(path: Path, keys: Collection[str]) -> Iterator[Record]:
    """Read a file whose first line names its columns. No quoting, as in XNLI, PAWS-X, SIB-200.

    path (Path): The file.
    keys (Collection[str]): The columns wanted, as far as there are any of that name.
    YIELDS (Tuple[int, Dict[str, object]]): Line number and columns, white space around them
        removed. The first one is the header, each column under its own name.
    RAISES (ValueError): If a line has not as many columns as the header.
    """
    header: list[str] | None = None
    wanted: list[tuple[str, int]] = []
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        columns = line.split("\t")
        if header is None:
            header = [column.strip() for column in columns]
            wanted = [(key, header.index(key)) for key in keys if key in header]
            yield number, {name: name for name in header}
            continue
        if len(columns) != len(header):
            raise malformed(
                path,
                number,
                line,
                f"{len(header)} columns separated by tabs, as in the header, not {len(columns)}",
                "Fix: remove tabs from the text, or add the missing columns.",
            )
        yield number, {key: columns[place].strip() for key, place in wanted}


def read_xtreme_tsv(path: Path) -> Iterator[Record]:
    """Read XTREME's files: first text, second text, label, and no header.

    path (Path): The file.
    YIELDS (Tuple[int, Dict[str, object]]): Line number and columns.
    RAISES (ValueError): If a line has not three columns; two of them mean that labels are withheld.
    """
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) == 2:
            raise withheld(path, number, line)
        if len(columns) != 3:
            raise malformed(
                path,
                number,
                line,
                f"3 columns separated by tabs (text, text, label), not {len(columns)}",
                "Fix: remove tabs from the texts, or add a header that names the columns.",
            )
        texts = [unquote(column.strip()) for column in columns]
        yield number, dict(zip(XTREME_COLUMNS, texts, strict=True))


def withheld(path: Path, line: int, found: str) -> ValueError:
    """Make the error for a pair without a label.

    path (Path): The file.
    line (int): The line.
    found (str): What stands there.
    RETURNS (ValueError): The error.
    """
    return malformed(
        path,
        line,
        found,
        "3 columns separated by tabs (text, text, label), not 2. XTREME withholds the labels of "
        "its test sets",
        "Fix: take the official file (xnli.test.tsv, test_2k.tsv), which has the labels.",
    )
