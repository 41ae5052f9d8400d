"""Import and load of a saved pipeline, each time in a new process."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from dlfa_spacy.optimization.speed.child import run_child

if TYPE_CHECKING:
    from .bench import Bench
    from .figures import Figure

AGGREGATIONS = ("stock", "attention")
FIRST, AGAIN = "first", "again"
# The files are read for the first time by the first process, which must not be blamed for it.
ROUNDS = 2


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Seconds of import and first load, and of loading once more."""
    from .figures import figure
    from .pipelines import System

    rounds = min(ROUNDS, bench.sizes.rounds)
    taken: dict[tuple[str, str], list[float]] = {}
    for i in range(rounds + 1):
        for name in AGGREGATIONS:
            system = System(name)
            found = run_child(__name__, bench.child_settings(bench.saved(shape, system)))
            if i > 0:
                for quantity, seconds in found.items():
                    taken.setdefault((system.name, quantity), []).append(seconds)
    return [
        figure("load", shape, "", name, quantity, seconds)
        for (name, quantity), seconds in taken.items()
    ]


def in_child(settings: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, float]): Seconds until a pipeline is there, from the first import on; and
    of loading it again, all imported."""
    start = time.perf_counter()
    import spacy

    spacy.load(settings["pipeline"])
    first = time.perf_counter() - start
    start = time.perf_counter()
    spacy.load(settings["pipeline"])
    return {FIRST: first, AGAIN: time.perf_counter() - start}
