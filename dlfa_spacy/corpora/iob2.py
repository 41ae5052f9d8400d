"""Token-per-line files with IOB tags: PAN-X, WikiNEuRal, Universal NER, CoNLL-2003."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..checks import check_choice
from ..files.errors import malformed
from ..files.lines import Block, blocks
from .iob import is_iob, repair
from .sentence import ReadingNotes, Sentence
from .spacing import guess_spaces, writes_spaces
from .words import clean_form

SPACES = ("auto", "always", "none")

_PREFIX = re.compile(r"^([a-z]{2,3}(?:-[a-z0-9]+)*):")


def _fields(path: Path, line: int, text: str) -> tuple[str, str] | None:
    """The token and the tag of a line; `None` for a comment or a document mark."""
    if "\t" in text:
        columns = text.split("\t")
        # Universal NER: ID, token, tag, and two columns for later use.
        if len(columns) == 5 and columns[0].isdigit() and is_iob(columns[2].strip()):
            return columns[1], columns[2].strip()
    elif text.startswith("# "):
        return None
    else:
        columns = text.split()
    if columns[0] == "-DOCSTART-":
        return None
    tag = columns[-1].strip()
    if len(columns) < 2 or not is_iob(tag):
        raise malformed(
            path,
            line,
            text,
            "a token and an IOB tag (O, B-TYPE or I-TYPE), separated by a tab",
            "Rewrite BIOES or bare tags as IOB2, and put a blank line between sentences.",
        )
    return columns[0], tag


def _block_fields(path: Path, block: Block) -> list[tuple[str, str]]:
    found = (_fields(path, line, text) for line, text in block)
    return [pair for pair in found if pair is not None]


def language_prefix(path: Path, n_blocks: int = 50) -> str | None:
    """Find the prefix that PAN-X writes before each token (`de:Berlin`).

    path (Path): The file.
    n_blocks (int): How many sentences to look at.
    RETURNS (Optional[str]): The prefix without its colon, if every token there has the same one.
    """
    seen = set()
    for block in islice(blocks(path), n_blocks):
        for token, _ in _block_fields(path, block):
            match = _PREFIX.match(token)
            if match is None:
                return None
            seen.add(match.group(1))
    return seen.pop() if len(seen) == 1 else None


def read_iob2(
    path: Path,
    *,
    language: str = "xx",
    spaces: str = "auto",
    notes: ReadingNotes | None = None,
) -> Iterator[Sentence]:
    """Read a file of tokens and IOB tags, one token per line.

    The format has no spaces: tokens are joined by spaces, except in languages that write none
    (Chinese, Japanese, Thai, Lao, Khmer, Burmese), so that their raw text looks like real text.
    A PAN-X language prefix (`xx:` on every token) is cut at the first colon. IOB1 and stray
    `I-` tags are made IOB2 and counted, as conlleval and seqeval read them.

    path (Path): The file.
    language (str): Language code, e.g. `zh`.
    spaces (str): `"auto"` by language, `"always"`, or `"none"`.
    notes (Optional[ReadingNotes]): Receives the counts of what was changed or left out.
    YIELDS (Sentence): The sentences, in order.
    RAISES (ValueError): On a malformed line, naming file and line.
    """
    check_choice("spaces", spaces, SPACES)
    notes = notes if notes is not None else ReadingNotes()
    counts = notes.counts
    spaced = spaces == "always" or (spaces == "auto" and writes_spaces(language))
    prefix = language_prefix(path)
    for block in blocks(path):
        words: list[str] = []
        tags: list[str] = []
        for token, tag in _block_fields(path, block):
            if prefix is not None and token.startswith(prefix + ":"):
                token = token[len(prefix) + 1 :]
                counts["prefixed_tokens"] += 1
            # ZWNJ stays: XTREME removes it from UD only.
            word = clean_form(token, notes, remove_zwnj=False)
            if word:
                words.append(word)
                tags.append(tag)
        if not words:
            continue
        iob, n_repaired = repair(tags)
        counts["repaired_tags"] += n_repaired
        counts["sentences"] += 1
        counts["tokens"] += len(words)
        yield Sentence(
            words=words, spaces=guess_spaces(words, spaced=spaced), iob=iob, line=block[0][0]
        )
