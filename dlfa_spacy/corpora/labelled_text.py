"""Labelled texts in TSV with a header, such as SIB-200 (`index_id category text`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .errors import malformed
from .lines import numbered_lines
from .sentence import ReadingNotes

LABEL_COLUMNS = ("category", "label", "topic")
TEXT_COLUMNS = ("text", "sentence")


def _column(path: Path, header: tuple[str, ...], names: tuple[str, ...]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise malformed(
        path,
        1,
        "\t".join(header),
        f"a header with a column named {' or '.join(names)}",
        "Add a header line with tab-separated column names.",
    )


def read_labelled_text(
    path: Path, *, notes: ReadingNotes | None = None
) -> Iterator[tuple[str, str]]:
    """Read texts and their labels.

    path (Path): A file with a header line that names a label column (`category`, `label` or
        `topic`) and a text column (`text` or `sentence`). No quoting, as in SIB-200.
    notes (Optional[ReadingNotes]): Receives the count of texts under `sentences`.
    YIELDS (Tuple[str, str]): Text and label.
    RAISES (ValueError): On a malformed line, naming file and line.
    """
    header: tuple[str, ...] | None = None
    label_at = text_at = 0
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        columns = tuple(line.split("\t"))
        if header is None:
            header = columns
            label_at = _column(path, header, LABEL_COLUMNS)
            text_at = _column(path, header, TEXT_COLUMNS)
            continue
        if len(columns) != len(header):
            raise malformed(
                path,
                number,
                line,
                f"{len(header)} columns separated by tabs, as in the header",
                "Remove tabs from the text, or add the missing columns.",
            )
        text, label = columns[text_at].strip(), columns[label_at].strip()
        if not text or not label:
            raise malformed(path, number, line, "a text and a label", "Fill both or drop the line.")
        if notes is not None:
            notes.counts["sentences"] += 1
        yield text, label


def labels_of(path: Path) -> set[str]:
    """Collect the labels of a file.

    path (Path): The file.
    RETURNS (Set[str]): Its labels.
    """
    return {label for _, label in read_labelled_text(path)}
