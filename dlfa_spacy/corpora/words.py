"""Forms as XTREME's preprocessing leaves them: no white space and no ZWNJ inside a token."""

from __future__ import annotations

from .sentence import ReadingNotes

ZWNJ = "\u200c"


def clean_form(form: str, notes: ReadingNotes, *, remove_zwnj: bool = True) -> str:
    """Glue a form that has white space inside (`58 24` -> `5824`) and remove ZWNJ.

    XTREME (`utils_preprocess.py`, `remove_empty_space`) deletes U+0020 and U+200C. All other
    Unicode white space goes too, because a token with white space inside cannot come out of any
    tokenizer, so raw text could never be scored on it.

    form (str): The form as it stands in the file.
    notes (ReadingNotes): Counts what was changed.
    remove_zwnj (bool): Whether to remove U+200C.
    RETURNS (str): The form; empty if nothing but white space and ZWNJ was there.
    """
    if remove_zwnj and ZWNJ in form:
        form = form.replace(ZWNJ, "")
        notes.counts["zwnj_tokens"] += 1
    pieces = form.split()
    if len(pieces) > 1 or (pieces and pieces[0] != form):
        form = "".join(pieces)
        notes.counts["glued_tokens"] += 1
    elif not pieces:
        form = ""
    if not form:
        notes.counts["emptied_tokens"] += 1
    return form
