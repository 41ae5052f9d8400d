"""Every text of a sweep with a frozen encoder, encoded once before its runs begin."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import spacy
import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from thinc.api import get_current_ops, registry, set_current_ops

from ..aggregators.model import aggregator_shim, needed_layers
from ..corpora.loading import read_docs
from ..encoder.cache import part_name
from ..encoder.cache.rows_file import ROW_TYPE
from ..encoder.model import TransformerModel
from .run import run_config
from .settings import DataFile, RunSettings

# Docs encoded at a time: enough of them to find others of their length.
BATCH = 128


@dataclass
class Part:
    """What of one corpus file is still to be encoded.

    name (str): Of its files in the store: "ner.de.test".
    file (DataFile): The corpus file.
    n_texts (int): Its texts.
    missing (List[int]): The numbers of those that are not kept yet.
    rows (int): Their wordpieces.
    """

    name: str
    file: DataFile
    n_texts: int
    missing: list[int]
    rows: int


def encode_all(
    runs: Sequence[RunSettings], console: Console, quiet: bool = False, *, gpu_id: int = -1
) -> None:
    """Fill the store of a sweep with all layers that its runs read. What is there already is not
    encoded again, so that a sweep which was killed resumes where it stopped.

    runs (Sequence[RunSettings]): Those that are still to be done, all on frozen encoders.
    console (Console): Where size and progress are shown.
    quiet (bool): Show nothing.
    gpu_id (int): GPU, or -1 for the CPU. It has to be what the runs are done on: mixed precision
        gives other layers.
    RAISES (ValueError): There is not so much room on the disk.
    """
    # What the plan overrides may differ by task.
    keys = dict.fromkeys((run.encoder_path, run.task) for run in runs)
    with _on(gpu_id):
        for key in keys:
            chosen = [run for run in runs if (run.encoder_path, run.task) == key]
            _encode_task(chosen, console, quiet, gpu=gpu_id >= 0)


@contextmanager
def _on(gpu_id: int) -> Iterator[None]:
    """Compute on a GPU, and leave its memory to the runs afterwards."""
    if gpu_id < 0:
        yield
        return
    before = get_current_ops()
    spacy.require_gpu(gpu_id)
    try:
        yield
    finally:
        set_current_ops(before)
        gc.collect()
        torch.cuda.empty_cache()


def _encode_task(runs: Sequence[RunSettings], console: Console, quiet: bool, *, gpu: bool) -> None:
    nlp = _pipeline(runs[0], gpu=gpu)
    encoder: TransformerModel = nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    encoder.load()
    layers = layers_read(runs, encoder.packed.width, encoder.num_layers)
    files = {file.path: file for run in runs for file in (run.train, run.dev, *run.tests)}
    parts = [_part(runs[0].task, file, nlp, encoder, layers) for file in files.values()]
    row = len(layers) * encoder.packed.width * ROW_TYPE.itemsize
    _say(parts, row, len(layers), runs[0], console, quiet)
    _encode(parts, row, nlp, encoder, layers, console, quiet)


def layers_read(runs: Sequence[RunSettings], width: int, num_layers: int) -> list[int]:
    """RETURNS (List[int]): The layers that some aggregation of the runs reads."""
    found: set[int] = set()
    for run in runs:
        model = registry.resolve({"aggregation": run.block})["aggregation"]
        aggregator_shim(model).build(width, num_layers)
        found.update(needed_layers(model, num_layers))
    return sorted(found)


def _say(
    parts: Sequence[Part], row: int, n_layers: int, run: RunSettings, console: Console, quiet: bool
) -> None:
    n_texts = sum(part.n_texts for part in parts)
    n_missing = sum(len(part.missing) for part in parts)
    need = sum(part.rows for part in parts) * row
    store = Path(run.cache)
    store.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(store).free
    if need > free:
        raise ValueError(
            f"{store}: found {free / 1e9:.1f} GB free, expected {need / 1e9:.1f} GB for {n_layers} "
            f"layers of {n_missing:,} texts of {run.task}. Fix: --store FOLDER on another disk, "
            "test_limit in the plan, or fewer methods (each reads layers of its own)."
        )
    if n_missing and not quiet:
        console.print(
            f"{run.task}: encoding {n_missing:,} of {n_texts:,} texts, {n_layers} layers, "
            f"{need / 1e9:.2f} GB into {store} ({free / 1e9:.0f} GB free); the other "
            f"{n_texts - n_missing:,} are there or occur twice",
            soft_wrap=True,
        )


def _encode(
    parts: Sequence[Part],
    row: int,
    nlp: Language,
    encoder: TransformerModel,
    layers: list[int],
    console: Console,
    quiet: bool,
) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    total = sum(part.rows for part in parts) * row
    progress = Progress(*columns, console=console, disable=quiet or not total, transient=True)
    with progress:
        task = progress.add_task("", total=total)
        for part in parts:
            progress.update(task, description=part.name)
            encoder.cache.part = part.name
            for batch in _batches(part, nlp):
                states = encoder.encode_frozen(batch, layers)
                progress.advance(task, len(states.windows.ids) * row)
    encoder.cache.part = ""


def _part(
    task: str, file: DataFile, nlp: Language, encoder: TransformerModel, layers: list[int]
) -> Part:
    part = Part(part_name(task, file.language, file.split), file, 0, [], 0)
    for batch in minibatch(_docs(file, nlp), BATCH):
        for number, rows in encoder.missing(batch, layers):
            part.missing.append(part.n_texts + number)
            part.rows += rows
        part.n_texts += len(batch)
    return part


def _docs(file: DataFile, nlp: Language) -> Iterator[Doc]:
    return read_docs(Path(file.path), vocab=nlp.vocab, language=file.language)


def _batches(part: Part, nlp: Language) -> Iterator[list[Doc]]:
    """YIELDS (List[Doc]): The texts that are missing, those of a length together."""
    missing = set(part.missing)
    if not missing:
        return
    docs = [doc for number, doc in enumerate(_docs(part.file, nlp)) if number in missing]
    yield from minibatch(sorted(docs, key=lambda doc: len(doc.text)), BATCH)


def _pipeline(run: RunSettings, *, gpu: bool) -> Language:
    """RETURNS (Language): The encoder as the run has it, its cache included, and nothing behind
    it."""
    block = run_config(run, n_train=1, gpu=gpu)["components"]["transformer"]
    nlp = spacy.blank("xx")
    settings = {key: value for key, value in block.items() if key != "factory"}
    nlp.add_pipe(block["factory"], name="transformer", config=settings)
    return nlp
