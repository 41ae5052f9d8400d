"""What reading parallel text met, language by language."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class Counts:
    """Sentence pairs of one language.

    read (int): In the files.
    kept (int): Given out, parts of long ones included.
    empty (int): Left out, because a side has no text.
    identical (int): Left out, because both sides are the same text: no translation.
    duplicates (int): Left out, because the same pair was there before.
    long (int): With a side of more wordpieces than the encoder reads at once.
    unlinked (int): Given out without a single link between words.
    links (int): Links of all that was given out.
    """

    read: int = 0
    kept: int = 0
    empty: int = 0
    identical: int = 0
    duplicates: int = 0
    long: int = 0
    unlinked: int = 0
    links: int = 0

    def as_dict(self) -> dict[str, int]:
        """RETURNS (Dict[str, int]): Name -> number, for logs and tables."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
