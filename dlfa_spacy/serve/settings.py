"""What a server allows, and how it puts texts together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast

from ..checks import check_number


@dataclass(frozen=True)
class ServeSettings:
    """Limits, and the sizes of a batch.

    max_characters (int): Of a text, or of either text of a pair.
    max_texts (int): Of one request.
    max_bytes (int): Of the body of a request.
    rate (int): Texts that one client may send in a minute, all at once if need be; 0 for no limit.
    waiting (int): Texts that may wait for their turn.
    batch_texts (int): Texts that the pipeline reads at once; with 1, one after the other.
    batch_characters (int): Characters that it reads at once, where several texts do.
    max_wait (float): How long a text waits for others at most, in milliseconds, where the batch
        before it had more than one: a client that is alone never waits.
    """

    max_characters: int = 10_000
    max_texts: int = 64
    max_bytes: int = 1_000_000
    rate: int = 600
    waiting: int = 1_000
    batch_texts: int = 32
    batch_characters: int = 20_000
    max_wait: float = 5.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, least = getattr(self, field.name), int(field.name not in ("rate", "max_wait"))
            wanted, usual = f"{least} or more", cast(float, field.default)
            check_number(field.name, value, value >= least, wanted, usual)
