"""What packed rows, their budget, and blocks that are cast once are worth.

    python -m benchmarks.packing --page docs/benchmarks.md
    python -m benchmarks.packing --shape base --page docs/benchmarks.md

Prediction with attention and ner: as it is shipped, and with one thing changed; and the encoder
alone. In one process and interleaved rounds; medians and ratios.
"""

import copy
import functools
import statistics
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import torch
import typer

from benchmarks.comparison.bench import PRESETS, Bench
from benchmarks.comparison.pipelines import System, annotate, build, windows_of
from benchmarks.comparison.predict import bare
from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.limit import BARE, bare_forwards
from dlfa_spacy.optimization.speed.machine import describe
from dlfa_spacy.optimization.speed.rounds import Run, measure

LANGUAGES = ("en", "de", "es", "ru", "zh", "ar")
BUDGETS = (256, 512, 2_048, 4_096)
SHIPPED, SHIPPED_BF16 = "fp32, as shipped", "bfloat16, as shipped"
Change = Callable[[], AbstractContextManager[Any]]


def main(
    encoder: Annotated[str, typer.Option(help="Folder of a BERT.")] = "assets/encoder",
    shape: Annotated[str, typer.Option(help="own, or base: a BERT-base, weights random.")] = "own",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    rounds: Annotated[int, typer.Option(help="Timed rounds; one more to warm up.")] = 7,
    threads: Annotated[int, typer.Option(help="Threads of torch.")] = 1,
    page: Annotated[
        Path | None,
        typer.Option(help="Put the table between the markers <!-- dlfa:packing-SHAPE --> there."),
    ] = None,
) -> None:
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(encoder, corpus, LANGUAGES, PRESETS["full"], threads, Path(folder))
        texts, made = bench.sentences(shape), bench.encoder_folder(shape)
        plain = build(made, System("attention"))
        mixed = build(made, System("attention", mixed_precision=True))
        model = bare(made, gpu_id=-1)
    words = sum(len(text.words) for text in texts)
    windows = windows_of(plain, texts)
    alone = f"{BARE}, packed"

    def run(nlp: Any, budget: int | None, change: Change) -> None:
        nlp.get_pipe("transformer").model.max_batch_items = budget
        with change():
            annotate(nlp, texts)

    systems: dict[str, Run] = {SHIPPED: functools.partial(run, plain, None, nullcontext)}
    systems["fp32, padded windows of similar length"] = functools.partial(run, plain, None, padded)
    for budget in BUDGETS:
        name = f"fp32, {budget:,} wordpieces in a forward pass"
        systems[name] = functools.partial(run, plain, budget, nullcontext)
    if has_bfloat16():
        systems[SHIPPED_BF16] = functools.partial(run, mixed, None, nullcontext)
        systems["bfloat16, by autocast"] = functools.partial(run, mixed, None, autocast)
        low = copy.deepcopy(model).bfloat16()
        systems["bfloat16, encoder alone"] = bare_forwards(low, windows)[alone]
    systems["fp32, encoder alone"] = bare_forwards(model, windows)[alone]
    seconds = {name: statistics.median(times) for name, times in measure(systems, rounds).items()}
    rows = [
        [name, f"{words / taken:,.0f}", f"{seconds[SHIPPED] / taken:.2f}"]
        for name, taken in seconds.items()
    ]
    table = markdown_table(["prediction", "words/s", f"times “{SHIPPED}”"], rows)
    note = f"{words:,} words, medians of {rounds} interleaved rounds. ({describe(threads)}.)"
    print(table)
    if page is not None:
        insert_between_markers(page, f"{table}\n{note}", f"<!-- dlfa:packing-{shape} -->")


def padded() -> AbstractContextManager[Any]:
    """What an encoder does that cannot run packed."""
    return patch("dlfa_spacy.encoder.run.packed.runs_packed", lambda transformer: False)


def autocast() -> AbstractContextManager[Any]:
    """Weights and inputs are cast in every batch, as in training."""
    return patch.object(PackedEncoder, "_blocks_to_run", lambda self: None)


if __name__ == "__main__":
    typer.run(main)
