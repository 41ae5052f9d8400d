"""All measures in their order; what is written after each of them."""

from __future__ import annotations

import datetime
import importlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import spacy
import srsly
import torch

from dlfa_spacy.files.writing import write_text
from dlfa_spacy.optimization.speed.machine import describe

from .bench import MEASURES, Bench
from .figures import Figure, merge, read_csv, write_csv

CSV, SETTINGS = "benchmarks.csv", "benchmarks.json"
# Measures that one of the encoders is enough for.
ONLY = {
    **dict.fromkeys(("lengths", "doc", "long", "many", "profile"), "own"),
    # What the goals are about. With a smaller encoder alone it is measured on that.
    **dict.fromkeys(("train", "memory"), "base"),
}
MODULES = {"profile": "profile_parts"}


def run_benchmark(
    bench: Bench,
    out: Path,
    measures: Sequence[str],
    shapes: Sequence[str],
    say: Callable[[str], None],
) -> tuple[list[Figure], dict[str, str]]:
    """Measure, and write what was measured after each measure, so that a kill costs one of them.

    bench (Bench): The settings.
    out (Path): Folder of `benchmarks.csv` and `benchmarks.json`. What it has from another run stays
        where nothing was measured again.
    measures (Sequence[str]): Some of `MEASURES`.
    shapes (Sequence[str]): Of "own" and "base".
    say (Callable): Told what runs.
    RETURNS (Tuple[List[Figure], Dict[str, str]]): All figures of the folder, and for each measure
        one line on how it was measured.
    """
    torch.set_num_threads(bench.threads)
    if bench.gpu_id >= 0:
        spacy.require_gpu(bench.gpu_id)
    figures = read_csv(out / CSV)
    settings: dict[str, str] = {}
    if (out / SETTINGS).is_file():
        settings = dict(srsly.read_json(out / SETTINGS))
    for measure in MEASURES:
        for shape in shapes:
            if measure not in measures or _is_left_out(measure, shape, shapes):
                continue
            say(f"{measure}, {shape}")
            start = time.perf_counter()
            module = importlib.import_module(f".{MODULES.get(measure, measure)}", __package__)
            found: list[Figure] = module.run(bench, shape)
            figures = merge(figures, found)
            threads = getattr(module, "THREADS", bench.threads)
            machine = describe(threads, bench.gpu_id)
            settings[f"{measure}, {shape}"] = f"({datetime.date.today()}; {machine}.)"
            write_csv(out / CSV, figures)
            write_text(out / SETTINGS, srsly.json_dumps(settings, indent=2) + "\n")
            say(f"{measure}, {shape}: {time.perf_counter() - start:.0f} s")
    return figures, settings


def _is_left_out(measure: str, shape: str, shapes: Sequence[str]) -> bool:
    only = ONLY.get(measure, shape)
    return shape != only and (only in shapes or only == "own")
