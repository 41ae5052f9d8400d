"""Every text of a sweep with a frozen encoder, encoded once before its runs begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import spacy
from rich.console import Console
from rich.progress import track
from spacy.language import Language
from spacy.tokens import Doc
from thinc.api import registry

from ..aggregators.model import aggregator_shim, needed_layers
from ..corpora.loading import read_docs
from .run import run_config
from .settings import DataFile, RunSettings

# Docs encoded at a time: enough of them to find others of their length.
BATCH = 128


def encode_all(runs: Sequence[RunSettings], console: Console, quiet: bool = False) -> None:
    """Fill the cache of a sweep with all layers that its runs read. What is there already is not
    encoded again, so that a sweep which was killed resumes where it stopped.

    runs (Sequence[RunSettings]): Those that are still to be done, all on frozen encoders.
    console (Console): Where the progress is shown.
    quiet (bool): Show none.
    """
    # What the plan overrides may differ by task.
    for key in dict.fromkeys((run.encoder_path, run.task) for run in runs):
        chosen = [run for run in runs if (run.encoder_path, run.task) == key]
        nlp = _pipeline(chosen[0])
        model: Any = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
        model.load()
        layers = layers_read(chosen, model.packed.width, model.num_layers)
        files = {file.path: file for run in chosen for file in (run.train, run.dev, *run.tests)}
        batches = list(_batches(nlp, files.values()))
        pieces = sum(len(doc.text) for batch in batches for doc in batch) // 4
        if not quiet:
            size = pieces * len(layers) * model.packed.width * 2 / 1e9
            console.print(
                f"Encoding {sum(map(len, batches)):,} texts, {len(layers)} layers: about "
                f"{size:.1f} GB in {Path(chosen[0].cache).name}/ of the sweep's folder"
            )
        for batch in track(batches, "Encoding", console=console, disable=quiet, transient=True):
            model.encode_frozen(batch, layers)


def layers_read(runs: Sequence[RunSettings], width: int, num_layers: int) -> list[int]:
    """RETURNS (List[int]): The layers that some aggregation of the runs reads."""
    found: set[int] = set()
    for run in runs:
        model = registry.resolve({"aggregation": run.block})["aggregation"]
        aggregator_shim(model).build(width, num_layers)
        found.update(needed_layers(model, num_layers))
    return sorted(found)


def _pipeline(run: RunSettings) -> Language:
    """RETURNS (Language): The encoder as the run has it, its cache included, and nothing behind
    it."""
    block = run_config(run, n_train=1)["components"]["transformer"]
    nlp = spacy.blank("xx")
    settings = {key: value for key, value in block.items() if key != "factory"}
    nlp.add_pipe(block["factory"], name="transformer", config=settings)
    return nlp


def _batches(nlp: Language, files: Iterable[DataFile]) -> Iterator[list[Doc]]:
    """YIELDS (List[Doc]): The texts of some files, each once, those of a length together."""
    seen: dict[str, Doc] = {}
    for file in files:
        for doc in read_docs(Path(file.path), vocab=nlp.vocab, language=file.language):
            if len(doc):
                seen.setdefault(doc.text, doc)
    docs = sorted(seen.values(), key=lambda doc: len(doc.text))
    for begin in range(0, len(docs), BATCH):
        yield docs[begin : begin + BATCH]
