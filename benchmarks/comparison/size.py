"""Bytes of the saved pipeline."""

from __future__ import annotations

from dlfa_spacy.optimization.optimize import folder_size

from .bench import Bench
from .figures import Figure, figure
from .pipelines import System

SYSTEMS = (
    System("stock"),
    System("attention"),
    System("attention", half=True),
    System("attention", int8=True),
    System("attention", int8=True, half=True),
)


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Bytes of each pipeline's folder."""
    return [
        figure("size", shape, "", s.name, "bytes", [folder_size(bench.saved(shape, s))])
        for s in SYSTEMS
    ]
