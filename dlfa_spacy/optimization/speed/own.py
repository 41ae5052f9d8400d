"""How fast and how large one pipeline is, against its own bare encoder."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from spacy.language import Language
from spacy.tokens import Doc

from ...pipeline.encoders import find_encoder
from ...pipeline.sources import open_pipeline
from ..optimize import folder_size
from .child import load_pipeline, run_child, use_device
from .limit import BARE, bare_forwards, wordpieces
from .machine import describe
from .memory_use import peak, reset_peak, resident
from .rounds import Run, measure

PIPELINE = "pipeline"
BATCH = 128


@dataclass
class Speed:
    """What was measured.

    words (int): Words of the texts.
    seconds (Dict[str, float]): Median seconds for all texts: of the pipeline, and of its bare
        encoder over the same wordpieces, one way after the other.
    components (Dict[str, float]): Seconds of the tokenizer and of each component.
    load (Dict[str, float]): Seconds of the first load with all imports, and of another one.
    memory (Dict[str, int]): Bytes of the process with the pipeline loaded, and at the peak of
        loading and of annotating. 0 where the system does not tell.
    size (int): Bytes of the saved pipeline.
    machine (str): What it was measured on.
    """

    words: int
    seconds: dict[str, float]
    components: dict[str, float] = field(default_factory=dict)
    load: dict[str, float] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    size: int = 0
    machine: str = ""

    @property
    def words_per_second(self) -> float:
        """RETURNS (float): Of the pipeline."""
        return self.words / self.seconds[PIPELINE]

    @property
    def limit(self) -> tuple[str, float] | None:
        """RETURNS (Optional[Tuple[str, float]]): The fastest way to run the encoder alone, and its
        words per second; None without a dlfa_spacy encoder."""
        bare = {name: taken for name, taken in self.seconds.items() if name != PIPELINE}
        if not bare:
            return None
        name = min(bare, key=bare.__getitem__)
        return name.removeprefix(f"{BARE}, "), self.words / bare[name]

    @property
    def share(self) -> float | None:
        """RETURNS (Optional[float]): The pipeline's speed as a share of the limit."""
        return None if self.limit is None else self.words_per_second / self.limit[1]


def example_texts() -> list[str]:
    """RETURNS (List[str]): spaCy's own example sentences, in all languages that have some."""
    from importlib import import_module
    from pkgutil import iter_modules

    import spacy.lang

    texts = []
    for found in iter_modules(spacy.lang.__path__):
        if found.ispkg:
            try:
                texts += import_module(f"spacy.lang.{found.name}.examples").sentences
            except ModuleNotFoundError:
                continue
    return texts


def measure_speed(
    pipeline: str, texts: Sequence[str], rounds: int = 3, threads: int = 1, gpu_id: int = -1
) -> Speed:
    """Measure a pipeline.

    pipeline (str): Folder or package of the pipeline.
    texts (Sequence[str]): What it reads, as raw text.
    rounds (int): Timed rounds, in which the pipeline and its bare encoder take turns.
    threads (int): Of torch.
    gpu_id (int): The GPU; -1 for the CPU.
    RETURNS (Speed): The figures.
    """
    settings = {"pipeline": pipeline, "threads": threads, "gpu_id": gpu_id}
    use_device(settings)
    # Before the child, because its errors say what to do.
    nlp = open_pipeline(pipeline)
    apart = run_child(__name__, {**settings, "texts": list(texts)})
    docs = [nlp.make_doc(text) for text in texts]
    runs: dict[str, Run] = {PIPELINE: lambda: _annotate(nlp, texts)}
    encoder = find_encoder(nlp)
    if encoder is not None:
        encoder.load()
        if not encoder.shim.is_onnx:
            runs |= bare_forwards(encoder.transformer.eval(), wordpieces(encoder, docs))
    taken = measure(runs, rounds)
    return Speed(
        words=sum(len(doc) for doc in docs),
        seconds={name: statistics.median(seconds) for name, seconds in taken.items()},
        components=_components(nlp, texts),
        load=apart["load"],
        memory=apart["memory"],
        size=folder_size(nlp.path),
        machine=describe(threads, gpu_id),
    )


def in_child(settings: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, Dict]): `load` and `memory`, see `Speed`, of this new process."""
    nlp = load_pipeline(settings)
    first = time.perf_counter() - settings["started"]
    memory = {"loaded": resident(), "peak of loading": peak()}
    reset_peak()
    _annotate(nlp, settings["texts"])
    memory["peak of annotating"] = peak()
    del nlp
    gc.collect()
    start = time.perf_counter()
    load_pipeline(settings)
    again = time.perf_counter() - start
    return {"load": {"first, with imports": first, "again": again}, "memory": memory}


def _annotate(nlp: Language, texts: Iterable[str]) -> None:
    for _ in nlp.pipe(texts, batch_size=BATCH):
        pass


def _components(nlp: Language, texts: Sequence[str]) -> dict[str, float]:
    start = time.perf_counter()
    docs: list[Doc] = [nlp.make_doc(text) for text in texts]
    found = {"tokenizer": time.perf_counter() - start}
    for name, component in nlp.pipeline:
        start = time.perf_counter()
        pipe = getattr(component, "pipe", None)
        docs = list(pipe(docs, batch_size=BATCH)) if pipe else [component(doc) for doc in docs]
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        found[name] = time.perf_counter() - start
    return found
