"""Where the time of prediction goes, by cProfile: the encoder, and what stands around it.

In seconds of the processor on one thread, which a busy machine changes little.
"""

from __future__ import annotations

import cProfile
import pstats
import time

import torch

from .bench import Bench
from .figures import Figure, figure
from .pipelines import System, annotate, build

AGGREGATION = "attention"
THREADS = 1
# Part -> functions that do it, as (end of the file's name, function); and those inside them that
# are parts of their own.
ENCODER = [
    ("encoder/run/packed.py", "_hidden_states"),
    ("encoder/run/packed_rows.py", "packed_layers"),
]
PARTS: dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]] = {
    "encoder": (ENCODER, []),
    "buckets, padding, packing": (
        [("encoder/run/packed.py", "forward")],
        [*ENCODER, ("layers/listener.py", "consume")],
    ),
    "aggregation": ([("layers/listener.py", "consume")], []),
    "tokenizer": ([("encoder/segment/pieces.py", "__call__")], []),
    "windows and alignment": (
        [("encoder/segment/segmenter.py", "__call__")],
        [("encoder/segment/pieces.py", "__call__")],
    ),
    "annotation of Docs": ([("spacy_transformers/pipeline_component.py", "set_annotations")], []),
    "pooling": ([("layers/pooling.py", "forward")], []),
    "making Docs": ([("comparison/pipelines.py", "<listcomp>")], []),
}
REST = "ner, and the rest"
ALL = "all"


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Seconds of each part, under the label of the settings."""
    texts = bench.sentences(shape)
    words = sum(len(text.words) for text in texts)
    nlp = build(bench.encoder_folder(shape), System(AGGREGATION))
    annotate(nlp, texts)
    rounds: dict[str, list[float]] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    for _ in range(bench.sizes.rounds):
        profiler = cProfile.Profile(time.process_time)
        profiler.runcall(annotate, nlp, texts)
        for part, seconds in parts(pstats.Stats(profiler)).items():
            rounds.setdefault(part, []).append(seconds)
    torch.set_num_threads(threads)
    return [
        figure("profile", shape, bench.label, part, "seconds", seconds, words)
        for part, seconds in rounds.items()
    ]


def parts(stats: pstats.Stats) -> dict[str, float]:
    """RETURNS (Dict[str, float]): Seconds of each part; they sum to those of all."""
    times: dict[tuple[str, str], float] = {}
    for (file_, _, function), (_, _, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        key = (file_.replace("\\", "/"), function)
        times[key] = times.get(key, 0.0) + cumulative

    def spent(names: list[tuple[str, str]]) -> float:
        return sum(
            seconds
            for (file_, function), seconds in times.items()
            if any(file_.endswith(end) and function == name for end, name in names)
        )

    found = {part: spent(own) - spent(inside) for part, (own, inside) in PARTS.items()}
    total = spent([("comparison/pipelines.py", "annotate")])
    return {**found, REST: total - sum(found.values()), ALL: total}
