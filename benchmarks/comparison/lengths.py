"""Prediction on texts of all lengths, from tweets to books."""

from __future__ import annotations

import functools

from dlfa_spacy.optimization.speed.limit import BARE, bare_forwards
from dlfa_spacy.optimization.speed.rounds import Run, measure

from .bench import Bench
from .figures import Figure, figure
from .pipelines import System, annotate, build, windows_of
from .predict import bare

AGGREGATIONS = ("stock", "attention", "dlfa")
# A book takes as long as many rounds of anything shorter. Its windows are all of one length, so
# that the bare forward passes are alike.
LONG = "books"


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Seconds of each system for the texts of each length."""
    folder = bench.encoder_folder(shape)
    pipelines = [(name, build(folder, System(name))) for name in AGGREGATIONS]
    model = bare(folder, bench.gpu_id)
    ours = dict(pipelines)["attention"]
    figures: list[Figure] = []
    for kind, count in bench.sizes.kinds.items():
        texts = bench.texts(kind, count)
        words = sum(len(text.words) for text in texts)
        runs: dict[str, Run] = dict(bare_forwards(model, windows_of(ours, texts)))
        for name, nlp in pipelines:
            runs[System(name).name] = functools.partial(annotate, nlp, texts)
        if kind == LONG:
            bare_runs = [name for name in runs if name.startswith(BARE)]
            for name in bare_runs[1:]:
                del runs[name]
        is_long = kind == LONG
        seconds = measure(runs, 1 if is_long else bench.sizes.rounds, warm_up=not is_long)
        figures += [
            figure("lengths", shape, kind, name, "seconds", taken, words)
            for name, taken in seconds.items()
        ]
    return figures
