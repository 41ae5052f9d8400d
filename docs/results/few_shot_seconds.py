"""How long `dlfa train-on` takes with 50 sentences, by its steps, each a process of its own.

python docs/results/few_shot_seconds.py MODEL corpus/few_shot/de/train.spacy \
    corpus/few_shot/en/test.spacy docs/results/few_shot.md

The second corpus is what is mixed in. Medians of three.
"""

import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch

from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe

N_TEXTS, ROUNDS = 50, 3
STEPS = ("loading the pipeline", "training", "saving", "processor time of all")


def measure(model: str, corpus: Path, beside: Path, mixed: bool) -> list[float]:
    """RETURNS (List[float]): Seconds of each of STEPS."""
    from dlfa_spacy.pipeline.sources import open_pipeline
    from dlfa_spacy.transfer.train_on.train_on import read_texts, train_on

    times = [time.perf_counter()]
    nlp = open_pipeline(model)
    times.append(time.perf_counter())
    docs = read_texts(nlp, corpus, "train")[:N_TEXTS]
    train_on(nlp, docs, beside=read_texts(nlp, beside, "train") if mixed else ())
    times.append(time.perf_counter())
    with tempfile.TemporaryDirectory() as folder:
        nlp.to_disk(folder)
    times.append(time.perf_counter())
    return [*(b - a for a, b in zip(times, times[1:], strict=False)), time.process_time()]


if __name__ == "__main__":
    model, corpus, beside, page = sys.argv[1], *map(Path, sys.argv[2:])
    rows = []
    for mixed in (False, True):
        found = []
        for _ in range(ROUNDS):
            with get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(measure, (model, corpus, beside, mixed)))
        name = f"{N_TEXTS} sentences" + f", {N_TEXTS} of English with them" * mixed
        rows.append([name, *(f"{median(values):.1f} s" for values in zip(*found, strict=True))])
    text = f"{markdown_table(['trained on', *STEPS], rows)}\n{describe(torch.get_num_threads())}."
    insert_between_markers(page, text, "<!-- seconds -->")
