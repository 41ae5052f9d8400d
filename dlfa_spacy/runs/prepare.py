"""From a plan to its runs: checks everything once, and draws the subsets that all runs share."""

from __future__ import annotations

from pathlib import Path

from ..base_configs import available
from ..corpora.docbin import count_docs, docbin_files, write_docs
from ..corpora.folder import LanguageFiles, find_languages
from ..corpora.loading import read_docs
from ..corpora.subset import drawn
from ..metrics.names import MAIN
from .methods import expand_methods
from .plan import Plan
from .settings import DataFile, RunSettings, hash_files
from .table import FINE_TUNED, FROZEN

# What of an encoder's folder decides about its vectors. A README does not.
_ENCODER_FILES = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model")
DATA = "data"
CACHE = "layers"


def make_runs(plan: Plan, out: Path, store: Path | None = None) -> list[RunSettings]:
    """List the runs of a plan, all methods of a seed before the next seed.

    plan (Plan): The plan.
    out (Path): The sweep's folder. Subsets are written below it.
    store (Optional[Path]): Where layers of frozen encoders are kept; by default below it.
    RETURNS (List[RunSettings]): The runs.
    RAISES (ValueError): If a corpus, an encoder or a method is not there.
    """
    data = {task: _task_files(plan, task, out) for task in plan.tasks}
    texts = {task: count_docs(Path(train.path)) for task, (train, _, _) in data.items()}
    encoders = {name: (path, *_look_at(path)) for name, path in plan.encoders.items()}
    methods = {
        name: expand_methods(plan.methods, depth) for name, (_, depth, _) in encoders.items()
    }
    return [
        RunSettings(
            task=task,
            base=base_of(task),
            method=method.name,
            aggregator=method.aggregator,
            layer=method.layer,
            gate=method.gate,
            norm=method.norm,
            block=method.block,
            reinit=method.reinit,
            encoder=name,
            encoder_path=path,
            encoder_content=content,
            seed=seed,
            epochs=int(plan.of("epochs", task)),
            learn_rate=float(plan.of("learn_rate", task)),
            warmup=float(plan.of("warmup", task)),
            batch_size=plan.batch_size,
            train=data[task][0],
            dev=data[task][1],
            tests=data[task][2],
            regime=plan.regime or (FROZEN if plan.frozen else FINE_TUNED),
            texts=texts[task],
            overrides=plan.overrides_of(task),
            frozen=plan.frozen,
            head=plan.head,
            cache=str(store or out / CACHE) if plan.frozen else "",
        )
        for seed in plan.seeds
        for task in plan.tasks
        for name, (path, _, content) in encoders.items()
        for method in methods[name]
    ]


def base_of(task: str) -> str:
    """RETURNS (str): The base config of a task: "ner" of "ner" and of "ner-uner"."""
    kind = task.partition("-")[0]
    return kind if kind in available("tasks") and kind in MAIN else "textcat"


def _task_files(plan: Plan, task: str, out: Path) -> tuple[DataFile, DataFile, list[DataFile]]:
    corpus = Path(plan.corpus) / task

    def one(split: str, limit: str) -> DataFile:
        (files,) = find_languages(corpus, (split,), (plan.source,))
        return _data_file(plan, task, files, int(plan.of(limit, task)), out)

    train, dev = one("train", "train_limit"), one("dev", "dev_limit")
    languages = plan.languages
    if languages and plan.source not in languages:
        languages = [plan.source, *languages]
    found = find_languages(corpus, ("test", "dev"), languages)
    limit = int(plan.of("test_limit", task))
    tests = [_data_file(plan, task, files, limit, out) for files in found]
    # What chose the checkpoint is scored as it was seen, beside the test sets.
    if not any((file.language, file.split) == (dev.language, dev.split) for file in tests):
        tests.append(dev)
    return train, dev, tests


def _data_file(plan: Plan, task: str, files: LanguageFiles, limit: int, out: Path) -> DataFile:
    path = files.paths[0]
    if path.suffix != ".spacy":
        raise ValueError(
            f"{path}: found a file in a public format, expected {files.split}.spacy. Fix: "
            f"dlfa convert {path.parent.parent} OUT, and --corpus with what it wrote."
        )
    content = hash_files(list(docbin_files(path)))
    if limit > 0 and limit < (total := count_docs(path)):
        content = f"{content}-{plan.limit_seed}-{limit}"
        subset = out / DATA / task / files.language / f"{files.split}-{content}.spacy"
        if not subset.exists():
            kept = drawn(total, limit, plan.limit_seed)
            write_docs(read_docs(path, language=files.language, only=kept), subset)
        path = subset
    return DataFile(files.language, files.split, str(path), content)


def _look_at(encoder: str) -> tuple[int, str]:
    """RETURNS (Tuple[int, str]): Number of layers, and the hash of the files."""
    from transformers import AutoConfig

    from ..encoder.storage.huggingface import from_pretrained

    folder = Path(encoder)
    if not folder.is_dir() and (folder.is_absolute() or encoder.startswith(".")):
        raise ValueError(
            f"{encoder}: there is no such folder. Expected an encoder with config.json. "
            "Fix: --encoder assets/encoder, or a name on the Hub."
        )
    try:
        depth = int(from_pretrained(AutoConfig, encoder).num_hidden_layers)
    except OSError as error:
        raise ValueError(
            f"encoder {encoder}: found no encoder there ({str(error).splitlines()[0]}). Expected "
            "a folder with config.json, or a name on the Hub. Fix: --encoder assets/encoder."
        ) from error
    if not folder.is_dir():
        return depth, encoder
    return depth, hash_files([path for glob in _ENCODER_FILES for path in folder.glob(glob)])
