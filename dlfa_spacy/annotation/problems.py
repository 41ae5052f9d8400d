"""Why a row has no text that a pipeline can annotate."""

from __future__ import annotations

from .records import Record


def problem_of(record: Record, column: str, max_length: int) -> Exception | None:
    """
    record (Record): A row.
    column (str): Where it has its text.
    max_length (int): Characters of a text, at most.
    RETURNS (Optional[Exception]): What is wrong with the text; None if nothing is.
    """
    text = record.values.get(column)
    if not isinstance(text, str):
        found = "nothing" if text is None else type(text).__name__
        return ValueError(f"text_column = {column}: found {found}, expected a string.")
    if len(text) > max_length:
        return ValueError(
            f"max_length = {max_length:,}: found a text of {len(text):,} characters. Fix: cut it, "
            "or raise --max-length."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return ValueError(
            f"text_column = {column}: found half of a surrogate pair, {text[error.start]!a}, at "
            f"character {error.start}, expected Unicode text."
        )
    return None
