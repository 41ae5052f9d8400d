"""Links as external aligners write them: `0-0 1-2`, foreign word and English word, from 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..files.errors import malformed
from ..files.lines import numbered_lines
from ..files.writing import replacing, write_text
from .moses import count_lines
from .pair import Link, SentencePair

_LINK = re.compile(r"^(\d{1,9})-(\d{1,9})$", re.ASCII)


def parse_links(text: str, n_source: int, n_target: int, path: str | Path, line: int) -> list[Link]:
    """Read the links of one pair.

    text (str): Such as `0-0 1-2`; empty for none.
    n_source, n_target (int): Words of the two sides.
    path (Union[str, Path]): The file, for messages.
    line (int): The line, for messages.
    RETURNS (List[Tuple[int, int]]): The links, each once, in the order of the text.
    RAISES (ValueError): A link is malformed or points past the words, naming file and line.
    """
    links: dict[Link, None] = {}
    for part in text.split():
        match = _LINK.match(part)
        link = (int(match[1]), int(match[2])) if match else (n_source, n_target)
        if link[0] >= n_source or link[1] >= n_target:
            raise malformed(
                path,
                line,
                part,
                f"i-j with i below {n_source} (foreign words) and j below {n_target} (English "
                "words)",
                "Fix: align exactly the words that were written for the aligner, foreign first.",
            )
        links[link] = None
    return list(links)


def read_pharaoh(pairs: Sequence[SentencePair], path: Path) -> Iterator[SentencePair]:
    """Put an external aligner's links on sentence pairs.

    pairs (Sequence[SentencePair]): The pairs that were written by `write_words`, in that order.
    path (Path): The aligner's output, a line for each pair.
    YIELDS (SentencePair): The pairs with these links in the place of others.
    RAISES (ValueError): Not as many lines as pairs, or a wrong link.
    """
    n_lines = count_lines(path)
    if n_lines != len(pairs):
        raise ValueError(
            f"{path} has {n_lines} lines, but there are {len(pairs)} sentence pairs. Expected a "
            "line for each. Fix: align the pairs again, written with the same options."
        )
    for pair, (number, line) in zip(pairs, numbered_lines(path), strict=True):
        sizes = len(pair.source_words), len(pair.target_words)
        yield replace(pair, links=parse_links(line, *sizes, path, number))


def format_links(links: Iterable[Link]) -> str:
    """RETURNS (str): The links in Pharaoh's format."""
    return " ".join(f"{source}-{target}" for source, target in links)


def write_pharaoh(pairs: Iterable[SentencePair], path: Path) -> None:
    """Write the links of sentence pairs, a line for each pair, all of it or nothing.

    pairs (Iterable[SentencePair]): The pairs.
    path (Path): The file to write.
    """
    write_text(path, "".join(f"{format_links(pair.links)}\n" for pair in pairs))


def write_words(pairs: Iterable[SentencePair], path: Path) -> int:
    """Write the words of sentence pairs for an external aligner: `foreign ||| English`, the input
    of fast_align, eflomal and awesome-align.

    pairs (Iterable[SentencePair]): The pairs, of one language.
    path (Path): The file to write, all of it or nothing.
    RETURNS (int): How many pairs were written.
    """
    written = 0
    with replacing(path) as temporary:
        with temporary.open("w", encoding="utf-8", newline="\n") as file_:
            for pair in pairs:
                source, target = " ".join(pair.source_words), " ".join(pair.target_words)
                file_.write(f"{source} ||| {target}\n")
                written += 1
    return written
