"""Timing several systems in interleaved rounds, so that a noisy machine disturbs all alike."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.progress import track

# What runs once. It may return the seconds itself, if somebody else takes the time.
Run = Callable[[], Any]


def measure(
    systems: Mapping[str, Run], rounds: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Run all systems once to warm up, then in turn, round after round.

    systems (Mapping[str, Run]): Name -> what runs once. A float it returns is taken for the
        seconds: what another process measured.
    rounds (int): Timed rounds.
    warm_up (bool): Not for what takes so long that its beginning does not count.
    RETURNS (Dict[str, List[float]]): Seconds of each round, the warm-up left out.
    """
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    first = 0 if warm_up else 1
    for i in track(range(first, rounds + 1), description="Rounds", transient=True):
        for name, run in systems.items():
            start = time.perf_counter()
            found = run()
            _wait_for_gpu()
            taken = time.perf_counter() - start
            if i > 0:
                seconds[name].append(found if isinstance(found, float) else taken)
    return seconds


def _wait_for_gpu() -> None:
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()
