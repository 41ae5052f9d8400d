"""Every method of alignment on the same text: train, measure, compare losses, write the page.

    export OMP_NUM_THREADS=1
    python docs/results/alignment_methods.py train PARALLEL aligned
    python docs/results/alignment_methods.py measure PUD aligned TABLE
    python docs/results/alignment_methods.py losses PARALLEL aligned TABLE
    python docs/results/alignment_methods.py page docs/results/alignment.md

PARALLEL and PUD are folders of <xx>-en.tsv; the tables are docs/results/alignment.csv and
docs/results/alignment_losses.csv. What is there already is not done again, so that all of
it may be killed. One thing runs at a time, with the threads that OMP_NUM_THREADS says.
"""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from spacy.util import minibatch
from spacy.vocab import Vocab

from dlfa_spacy.alignment.align import held_out_retrieval
from dlfa_spacy.alignment.methods import Method, create_method
from dlfa_spacy.alignment.methods.language_maps import FILE, LanguageMaps
from dlfa_spacy.alignment.training.batch import Collator
from dlfa_spacy.alignment.training.examples import make_examples
from dlfa_spacy.alignment.training.settings import TrainSettings
from dlfa_spacy.alignment.training.train import train as train_method
from dlfa_spacy.annotation.projection import EncoderLinks
from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.storage.loading import load_encoder
from dlfa_spacy.files.csv_table import write_csv
from dlfa_spacy.files.markdown import markdown_table, percent
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.files.writing import write_text
from dlfa_spacy.parallel import (
    ParallelCorpus,
    SentencePair,
    induce_dictionary,
    pair_docs,
    read_dictionaries,
    write_muse,
)
from dlfa_spacy.parallel.linked_text import read_linked_texts
from dlfa_spacy.parallel.pharaoh import format_links
from dlfa_spacy.pipeline.sources import open_source
from dlfa_spacy.report.aligned.measure import MeasureOptions, measure

ENCODER = "assets/encoder"
# Trained on; the others that are measured are held back.
LANGUAGES = "ar,de,es,fr,hi,nl,pt,ru,zh"
INITIAL = "initial"
# Name in the table -> method, and settings that are not the paper's.
METHODS: dict[str, tuple[str, list[str]]] = {
    "realign": ("realign", []),
    "realign-lower": ("realign", ["freeze=lower"]),
    "labse": ("labse", ["pool=mean"]),
    "cao": ("cao", []),
    "ml-ctl": ("ml-ctl", []),
    "clbt": ("clbt", []),
    "clbt-centred": ("clbt", ["center=true"]),
    "ppa": ("ppa", []),
    "multi-way": ("multi-way", []),
    "mlm-joined": ("mlm", ["text=joined"]),
    "adversarial": ("adversarial", []),
    "sense": ("sense", []),
    "teacher": ("teacher", []),
    "cao-linked": ("cao", []),
    "clbt-linked": ("clbt", []),
    "clbt-centred-linked": ("clbt", ["center=true"]),
}
BATCH = 256
# Words linked in their sentences by the encoder's own vectors, in place of dictionaries.
LINKED = "-linked"
# The maps are solved for, over every pair at once: fewer do.
CLBT_LIMIT = 200
LOSSES = ("cz", "info")
PRECISIONS = ("bf16", "fp32")
# The ends first, so that a run that is broken off has something to say.
SIZES = (8, 128, 32, 16, 64)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
Parallel = Annotated[Path, typer.Argument(help="Folder of <xx>-en.tsv to train on.")]
Out = Annotated[Path, typer.Argument(help="Folder for the aligned encoders.")]
Table = Annotated[Path, typer.Argument(help="The CSV file to write.")]
Rate = Annotated[float, typer.Option(help="Highest learning rate.")]


@app.command()
def train(
    parallel: Parallel,
    out: Out,
    methods: Annotated[str, typer.Option(help="Some of the names, with commas.")] = "",
    steps: int = 150,
    batch_size: int = 16,
    learn_rate: Rate = 1e-4,
    max_length: int = 64,
    teacher: Annotated[str, typer.Option(help="English encoder; without it not `teacher`.")] = "",
) -> None:
    """Align the bundled encoder by each method."""
    dictionaries = make_dictionaries(parallel, out)
    for name in methods.split(",") if methods else METHODS:
        method, changes = METHODS[name]
        if method == "teacher":
            if not teacher:
                print("teacher: left out, as no --teacher is named", flush=True)
                continue
            changes = [f"teacher={teacher}"]
        limit = CLBT_LIMIT if method == "clbt" else 0
        options = ["--steps", steps, "--batch-size", batch_size, "--learn-rate", learn_rate]
        options += ["--max-length", max_length, "--limit", limit, "--held-out", 5, "--bf16"]
        text = link_words(parallel, out) if name.endswith(LINKED) else parallel
        align(method, changes, text, dictionaries, out / name, options)


@app.command("measure")
def measure_all(
    parallel: Annotated[Path, typer.Argument(help="Folder of <xx>-en.tsv to measure with.")],
    out: Out,
    table: Table,
    limit: Annotated[int, typer.Option(help="Pairs of a language.")] = 200,
    word_limit: Annotated[int, typer.Option(help="Linked words of a language.")] = 500,
) -> None:
    """Measure the initial encoder and the aligned ones."""
    texts = read_linked_texts(parallel, limit=limit)
    rows: list[dict[str, Any]] = []
    for name in (INITIAL, *METHODS):
        folder = Path(ENCODER) if name == INITIAL else out / name
        if not folder.is_dir():
            continue
        cache = out / "measured" / f"{name}-{limit}-{word_limit}.json"
        if not cache.is_file():
            maps = LanguageMaps.load(folder) if (folder / FILE).is_file() else None
            options = MeasureOptions(word_limit=word_limit)
            found = measure(open_source(str(folder)), texts, name, maps, options)
            kept = json.dumps({"retrieval": found.retrieval, "cka": found.cka})
            write_text(cache, kept)
        known = json.loads(cache.read_text(encoding="utf-8"))
        rows += known["retrieval"]
        rows += [
            {**dict.fromkeys(known["retrieval"][0], ""), **row, "level": "cka"}
            for row in known["cka"]
        ]
        print(f"{name}: measured", flush=True)
    names = dict.fromkeys(key for row in rows for key in row)
    write_csv(table, ({key: _short(row.get(key, "")) for key in names} for row in rows))


@app.command()
def losses(
    parallel: Parallel,
    out: Out,
    table: Table,
    pairs: Annotated[int, typer.Option(help="Trained on in each run, whatever the batch.")] = 512,
    learn_rate: Rate = 1e-4,
    max_length: int = 48,
    limit: Annotated[int, typer.Option(help="Pairs of a language to draw from.")] = 400,
    kept: Annotated[int, typer.Option(help="Pairs of a language to measure with.")] = 20,
) -> None:
    """ML-CTL with CZ-NCE and with InfoNCE: batches of 8 to 128, fp32 and bfloat16. Without masked
    language modelling, which would be the same in all."""
    names = LANGUAGES.split(",")
    known = read_dictionaries(make_dictionaries(parallel, out), names)
    corpus = list(ParallelCorpus(parallel, languages=names, dictionaries=known, limit=limit))
    places: dict[str, int] = {}
    text: list[SentencePair] = []
    held_out: list[SentencePair] = []
    for pair in corpus:
        places[pair.language] = places.get(pair.language, 0) + 1
        (held_out if places[pair.language] <= kept else text).append(pair)
    before: float | None = None
    rows = []
    for size in SIZES:
        for precision in PRECISIONS if has_bfloat16() else ("fp32",):
            for loss in LOSSES:
                cache = out / "losses" / f"{loss}-{size}-{precision}-{pairs}.json"
                if not cache.is_file():
                    torch.manual_seed(0)
                    found = load_encoder(ENCODER, {}, {})
                    pieces = PieceTokenizer(found.tokenizer)
                    room = max_length - pieces.frames.single_size
                    changes = {"loss": loss, "mlm_weight": 0.0}
                    method = create_method("ml-ctl", found.transformer, found.tokenizer, changes)
                    collate = Collator(pieces, max_length)
                    look = held_out_retrieval(make_examples(held_out, pieces, room), collate)
                    if before is None:
                        before = score(method, look)
                    how = TrainSettings(
                        pairs // size, size, learn_rate=learn_rate, bf16=precision == "bf16"
                    )
                    steps = train_method(method, make_examples(text, pieces, room), collate, how)
                    row = {
                        "loss": loss,
                        "batch_size": size,
                        "precision": precision,
                        "steps": len(steps),
                        "first_loss": steps[0]["loss"],
                        "last_loss": steps[-1]["loss"],
                        "before": before,
                        "after": score(method, look),
                    }
                    write_text(cache, json.dumps(row))
                    print(row, flush=True)
                rows.append(json.loads(cache.read_text(encoding="utf-8")))
                write_csv(table, sorted(rows, key=lambda row: int(row["batch_size"])))


def score(method: Method, look: Callable[[Method], dict[str, float]]) -> float:
    method.eval()
    with torch.no_grad():
        return look(method)["score"]


@app.command()
def page(path: Annotated[Path, typer.Argument(help="The page; the tables lie beside it.")]) -> None:
    """Write the tables between the markers of the page."""
    for marker, name, make in (
        ("retrieval", "alignment.csv", retrieval_tables),
        ("losses", "alignment_losses.csv", losses_table),
    ):
        table = path.with_name(name)
        if table.is_file():
            with table.open(encoding="utf-8", newline="") as file_:
                text = make(list(csv.DictReader(file_)))
            insert_between_markers(path, text, f"<!-- {marker} -->")


def make_dictionaries(parallel: Path, out: Path) -> Path:
    """Induce a dictionary of each language once, because every method links the same words."""
    folder = out / "dictionaries"
    for language in LANGUAGES.split(","):
        target = folder / f"{language}-en.txt"
        if not target.is_file():
            found = induce_dictionary(ParallelCorpus(parallel, languages=[language]))
            write_muse(found.dictionary(), target)
    return folder


def link_words(parallel: Path, out: Path) -> Path:
    """Link the words of each pair, once, as `dlfa project-labels` does."""
    folder = out / "linked"
    link: EncoderLinks | None = None
    for language in LANGUAGES.split(","):
        target = folder / f"{language}-en.tsv"
        if target.is_file():
            continue
        link = link or EncoderLinks(open_source(ENCODER))
        lines = []
        for pairs in minibatch(ParallelCorpus(parallel, languages=[language]), BATCH):
            for pair, found in zip(pairs, link(*pair_docs(pairs, Vocab())), strict=True):
                sides = (" ".join(words) for words in (pair.source_words, pair.target_words))
                lines.append("\t".join([*sides, format_links(found)]) + "\n")
        write_text(target, "".join(lines))
        print(f"{language}: words of {len(lines)} pairs linked", flush=True)
    return folder


def align(
    method: str,
    changes: Iterable[str],
    parallel: Path,
    dictionaries: Path,
    out: Path,
    options: Iterable[object],
) -> None:
    if (out / "alignment.json").is_file():
        return
    command = [sys.executable, "-m", "dlfa_spacy.cli", "align", method, ENCODER, out]
    command += ["--parallel", parallel, "--langs", LANGUAGES, "--dictionaries", dictionaries]
    command += [*options, "--save-every", 25, "--quiet"]
    command += [part for change in changes for part in ("--set", change)]
    begin = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True)
    print(f"{out.name}: aligned in {time.perf_counter() - begin:.0f} s", flush=True)


def retrieval_tables(rows: list[dict[str, str]]) -> str:
    """RETURNS (str): Means over trained and over held-back languages, in the last and in the best
    layer of the initial encoder; CKA; and each language."""
    trained = set(LANGUAGES.split(","))
    languages = sorted({row["language"] for row in rows})
    groups = {
        "trained": [name for name in languages if name in trained],
        "held back": [name for name in languages if name not in trained],
    }
    names = list(dict.fromkeys(row["encoder"] for row in rows))
    layers = sorted({int(row["layer"]) for row in rows})
    last = layers[-1]
    parts = []
    for level in ("sentences", "words"):
        initial = {layer: _mean(_cells(rows, INITIAL, level, layer), languages) for layer in layers}
        best = max(initial, key=lambda layer: initial[layer] or 0.0)
        table = []
        for name in names:
            cells = [name]
            for layer in dict.fromkeys((last, best)):
                for is_centred in (False, True):
                    found = _cells(rows, name, level, layer, is_centred)
                    cells += [percent(_mean(found, group)) for group in groups.values()]
            table.append(cells)
        header = ["encoder"]
        for layer in dict.fromkeys((last, best)):
            for how in ("", ", centred"):
                header += [f"H{layer}{how}: {group}" for group in groups]
        parts.append(f"**Retrieval of {level}, CSLS, mean of both directions**\n")
        parts.append(markdown_table(header, table))
    table = []
    for name in names:
        found = _cells(rows, name, "sentences", last)
        table.append([name, *(percent(found.get(language)) for language in languages)])
    parts.append(f"**Sentences by language, last layer (H{last}), not centred**\n")
    parts.append(markdown_table(["encoder", *languages], table))
    table = []
    for name in names:
        cells = [name]
        for layer in layers:
            values = [
                float(row["cka"])
                for row in rows
                if (row["encoder"], row["level"], int(row["layer"])) == (name, "cka", layer)
            ]
            cells.append(f"{sum(values) / len(values):.3f}" if values else "–")
        table.append(cells)
    parts.append("**CKA with English by layer, linear and debiased, mean over languages**\n")
    parts.append(markdown_table(["encoder", *(f"H{layer}" for layer in layers)], table))
    for level in ("sentences", "words"):
        counts = {int(row["n"]) for row in rows if row["level"] == level}
        span = " to ".join(str(n) for n in sorted({min(counts), max(counts)}))
        parts.append(f"{level.capitalize()} a language: {span}.")
    missing = [name for name in METHODS if name not in names]
    if missing:
        parts.append(f"Not measured: {', '.join(missing)}.")
    parts.append("")
    return "\n".join(parts)


def losses_table(rows: list[dict[str, str]]) -> str:
    """RETURNS (str): Retrieval after, and its gain, by batch size."""

    def cells() -> Iterator[list[str]]:
        for size in sorted({row["batch_size"] for row in rows}, key=int):
            own = [row for row in rows if row["batch_size"] == size]
            known = {(row["loss"], row["precision"]): row for row in own}
            line = [size, own[0]["steps"]]
            for precision in PRECISIONS:
                for loss in LOSSES:
                    row = known.get((loss, precision))
                    line.append(percent(float(row["after"])) if row else "–")
            yield line

    header = ["batch", "steps"]
    header += [f"{loss}, {precision}" for precision in PRECISIONS for loss in LOSSES]
    before = percent(float(rows[0]["before"]))
    return markdown_table(header, cells()) + f"\nBefore: {before}.\n"


def _short(value: Any) -> Any:
    """Six digits: a committed table changes when a result does."""
    return f"{value:.6g}" if isinstance(value, float) else value


def _cells(
    rows: list[dict[str, str]], name: str, level: str, layer: int, is_centred: bool = False
) -> dict[str, float]:
    return {
        row["language"]: (float(row["csls_to_en"]) + float(row["csls_from_en"])) / 2
        for row in rows
        if (row["encoder"], row["level"], row["layer"], row["centred"])
        == (name, level, str(layer), str(is_centred))
    }


def _mean(found: Mapping[str, float], languages: Iterable[str]) -> float | None:
    values = [found[language] for language in languages if language in found]
    return sum(values) / len(values) if values else None


if __name__ == "__main__":
    app()
