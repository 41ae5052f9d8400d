"""A stream of short Docs, in `nlp.memory_zone()`: does memory stay?

Their words are drawn from a vocabulary. Of words that are new for ever spaCy itself keeps an empty
place for each in its table of words, with or without a transformer.
"""

from __future__ import annotations

import time
from typing import Any

from dlfa_spacy.optimization.speed.child import load_pipeline, run_child

from .bench import Bench
from .figures import Figure, figure
from .pipelines import System

AGGREGATION = "attention"
POINTS = 10
ZONE = 500
WORDS, LETTERS = 6, 9
VOCABULARY = 10_000


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Bytes of the process after each tenth of the Docs, seconds of all.

    The encoder is tiny: what stays does not depend on its size."""
    system = System(AGGREGATION)
    settings = bench.child_settings(bench.saved("tiny", system, "ner"))
    found = run_child(__name__, {**settings, "docs": bench.sizes.docs})
    figures = [
        figure("many", shape, str(row["docs"]), system.name, "bytes", [row["bytes"]])
        for row in found["points"]
    ]
    words = bench.sizes.docs * WORDS
    total = str(bench.sizes.docs)
    figures.append(figure("many", shape, total, system.name, "seconds", [found["seconds"]], words))
    return figures


def in_child(settings: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): Bytes after each tenth of the Docs, and seconds of all."""
    import gc
    import random

    nlp = load_pipeline(settings)
    from spacy.tokens import Doc

    from dlfa_spacy.optimization.speed.memory_use import resident

    rng = random.Random(0)
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(rng.choices(letters, k=LETTERS)) for _ in range(VOCABULARY)]
    total = settings["docs"]
    zone = min(ZONE, max(1, total // POINTS))
    marks = {total * i // POINTS for i in range(1, POINTS + 1)}
    points = []
    done = 0
    start = time.perf_counter()
    while done < total:
        count = min(zone, min(mark for mark in marks if mark > done) - done)
        with nlp.memory_zone():
            words = [rng.choices(vocabulary, k=WORDS) for _ in range(count)]
            for _ in nlp.pipe((Doc(nlp.vocab, words=row) for row in words), batch_size=256):
                pass
        done += count
        if done in marks:
            gc.collect()
            points.append({"docs": done, "bytes": resident()})
    return {"points": points, "seconds": time.perf_counter() - start}
