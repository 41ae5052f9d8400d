"""Which texts of a shard are encoded together: those of about the same length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

# A batch of long texts has fewer: as many characters as spaCy lets one text have.
_CHARACTERS = 1_000_000


def cut_batches(lengths: Mapping[int, int], size: int) -> Iterator[list[int]]:
    """Cut texts into batches, the same ones whoever does it.

    lengths (Mapping[int, int]): Place of each text, and its characters.
    size (int): Texts of a batch, at most.
    YIELDS (List[int]): Places.
    """
    batch: list[int] = []
    n_characters = 0
    for place in sorted(lengths, key=lambda place: (lengths[place], place)):
        n_characters += lengths[place]
        if batch and (len(batch) == size or n_characters > _CHARACTERS):
            yield batch
            batch, n_characters = [], lengths[place]
        batch.append(place)
    if batch:
        yield batch
