"""One training step, forward, backward and optimizer: sentences of mixed and of equal lengths."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import Any

from spacy.language import Language

from dlfa_spacy.optimization.speed.rounds import Run, measure

from .bench import Bench
from .figures import Figure, figure
from .pipelines import CURATED, System, build, examples, windows_of
from .texts import Text

AGGREGATIONS = ("stock", "last", "attention", "dlfa")
MIXED, EQUAL = "mixed lengths", "equal lengths"


def run(bench: Bench, shape: str) -> list[Figure]:
    """RETURNS (List[Figure]): Seconds of a step of each system."""
    folder = bench.encoder_folder(shape)
    pipelines = [(name, build(folder, System(name), "tagger")) for name in AGGREGATIONS]
    optimizers = {name: nlp.resume_training() for name, nlp in pipelines}
    mixed = bench.texts("sentences", 40 * bench.sizes.train_texts)[: bench.sizes.train_texts]
    batches = {MIXED: mixed, EQUAL: equal(dict(pipelines)["last"], mixed)}
    figures: list[Figure] = []
    for kind, texts in batches.items():
        words = sum(len(text.words) for text in texts)
        runs: dict[str, Run] = {
            System(name).name: functools.partial(step, nlp, texts, optimizers[name])
            for name, nlp in pipelines
        }
        with bench.curated(shape, list(texts)) as curated:
            if curated is not None:
                runs[CURATED] = curated.train
            seconds = measure(runs, bench.sizes.rounds)
        figures += [
            figure("train", shape, kind, name, "seconds", taken, words)
            for name, taken in seconds.items()
        ]
    return figures


def step(nlp: Language, texts: Sequence[Text], optimizer: Any) -> float:
    """Update all weights twice. The first time the memory of another pipeline's gradients has to be
    given back, and that of this one's found: with 250,000 rows of embeddings it takes as long as
    the step.

    RETURNS (float): Seconds of the second step.
    """
    nlp.update(examples(nlp, texts), sgd=optimizer)
    begin = time.perf_counter()
    nlp.update(examples(nlp, texts), sgd=optimizer)
    return time.perf_counter() - begin


def equal(nlp: Language, texts: Sequence[Text]) -> list[Text]:
    """Make all texts as long, in wordpieces, as their mean: cut, or read again from the start.

    nlp (Language): A dlfa_spacy pipeline, whose tokenizer counts.
    texts (Sequence[Text]): The texts.
    RETURNS (List[Text]): As many, of equally many wordpieces.
    """
    encoder = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    counts = [len(row) for row in windows_of(nlp, texts)]
    special = encoder.shim.piece_tokenizer.frames.single_size
    target = sum(counts) // len(counts) - special
    made = []
    for text in texts:
        sizes = encoder.shim.piece_tokenizer(text.words).lengths.tolist()
        words, tags, size, i = [], [], 0, 0
        while size < target:
            at = i % len(sizes)
            # Of a word too long for the rest, and of one without wordpieces, nothing is left.
            fits = 0 < sizes[at] <= target - size
            words.append(text.words[at] if fits else FILL)
            tags.append(text.tags[at] if fits else "PUNCT")
            size += sizes[at] if fits else 1
            i += 1
        made.append(Text(words, tags))
    return made


# One wordpiece in every tokenizer.
FILL = "."
