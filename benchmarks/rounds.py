"""Timing several systems in interleaved rounds, so that a noisy machine disturbs all alike."""

import time
from collections.abc import Callable
from typing import Any

from rich.progress import track


def measure(systems: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """RETURNS (Dict[str, List[float]]): Seconds of each round, the warm-up left out."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for i in track(range(rounds + 1), description="Rounds", transient=True):
        for name, run in systems.items():
            start = time.perf_counter()
            run()
            if i > 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds
