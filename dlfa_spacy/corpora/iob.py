"""IOB2 tags: validation, and repair of IOB1 and of stray `I-` tags."""

from __future__ import annotations

import re
from collections.abc import Sequence

TAG = re.compile(r"^(?:O|[BI]-\S+)$")


def is_iob(tag: str) -> bool:
    """Whether `tag` is `O`, `B-type` or `I-type`.

    tag (str): The tag.
    RETURNS (bool): True if it is.
    """
    return TAG.match(tag) is not None


def repair(tags: Sequence[str]) -> tuple[list[str], int]:
    """Turn IOB1, or IOB2 with stray `I-` tags, into valid IOB2.

    An `I-X` that does not follow `B-X` or `I-X` begins a span. That is how conlleval and
    seqeval's default mode read such a tag, so a repaired file gives the same scores as the
    original one does there.

    tags (Sequence[str]): `O`, `B-type` or `I-type` per token.
    RETURNS (Tuple[List[str], int]): The tags in IOB2, and how many of them were changed.
    """
    repaired: list[str] = []
    n_changed = 0
    previous = "O"
    for tag in tags:
        if tag.startswith("I-") and previous[2:] != tag[2:]:
            tag = "B-" + tag[2:]
            n_changed += 1
        repaired.append(tag)
        previous = tag
    return repaired, n_changed
