"""Ratios of what was measured together."""

from __future__ import annotations

from collections.abc import Sequence

from dlfa_spacy.optimization.speed.limit import BARE

from .figures import Figure, find
from .pipelines import STOCK


def limit(figures: Sequence[Figure]) -> Figure | None:
    """RETURNS (Optional[Figure]): The fastest bare forward pass."""
    return min(
        (f for f in figures if f.system.startswith(BARE)), key=lambda f: f.value, default=None
    )


def one(figures: Sequence[Figure], **wanted: str) -> Figure | None:
    """RETURNS (Optional[Figure]): The only one with the values wanted, if there is one."""
    found = find(figures, **wanted)
    return found[0] if len(found) == 1 else None


def stock(figures: Sequence[Figure]) -> Figure | None:
    """RETURNS (Optional[Figure]): Stock spacy-transformers'."""
    return one(figures, system=STOCK)


def speed(figure: Figure, reference: Figure | None) -> float | None:
    """RETURNS (Optional[float]): How many times as fast it is as the reference."""
    return None if reference is None else reference.value / figure.value


def share(figure: Figure | None, reference: Figure | None) -> float | None:
    """RETURNS (Optional[float]): How many times as much it takes as the reference."""
    if figure is None or reference is None or not reference.value:
        return None
    return figure.value / reference.value
