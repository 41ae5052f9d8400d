"""Holm's correction: several methods are tested, and one of them looks good by chance."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that the chance of any false claim among them stays below alpha.

    The smallest is multiplied by their number, the next by one less, and so on; none becomes
    smaller than the one before it (Holm 1979). Valid whatever the tests have to do with each other.

    p_values (Sequence[float]): The p-values of one family of tests.
    RETURNS (List[float]): Adjusted, at most 1, in the order given.
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
