"""What every reader of parallel text yields, before words are cut and bad pairs are sorted out."""

from __future__ import annotations

from dataclasses import dataclass

from ..pairs import REPLACEMENT, SEPARATOR


@dataclass(frozen=True)
class RawPair:
    """Two texts as a file has them.

    language (str): Code of the foreign language.
    source (str): The foreign text; may be empty.
    target (str): The English text; may be empty.
    where (str): File and line, for messages.
    links (Optional[str]): Links in Pharaoh's format, between the words that blanks separate; None
        where the file has none.
    """

    language: str
    source: str
    target: str
    where: str
    links: str | None = None

    @property
    def place(self) -> tuple[str, int]:
        """File and line."""
        path, _, line = self.where.rpartition(":")
        return path, int(line)


def clean(text: str) -> str:
    """Leave one space between words and none around them.

    A separator of pairs (`dlfa_spacy.pairs`) would turn the text into two, so it is replaced.

    text (str): A side of a pair.
    RETURNS (str): The text, in which no token is white space.
    """
    return " ".join(text.replace(SEPARATOR, REPLACEMENT).split())
