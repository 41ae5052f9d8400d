"""One run in its own process: train, score, and write `metrics.json`, or nothing."""

from __future__ import annotations

import copy
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

# Imported here and not in functions: the processes of a sweep are forked off one that has it all.
import filelock
import spacy
import spacy_transformers  # noqa: F401
import torch
from spacy.language import Language
from thinc.api import Config

from ..about import __version__
from ..corpora.folder import LanguageFiles
from ..corpora.loading import read_docs
from ..evaluation.evaluate import evaluate_language
from ..evaluation.results import LanguageResult
from ..evaluation.tasks import pipeline_tasks
from ..files.writing import write_text
from ..pipeline.encoders import find_encoder
from ..pipeline.inspection import layer_weights
from ..pipeline.resume import TrainingState
from ..pipeline.training import Trained, train
from ..recipes import listeners, make_config
from .children import die_with_parent
from .settings import (
    CONFIG,
    LOG,
    METRICS,
    MODEL,
    PROGRESS,
    SETTINGS,
    STATE,
    DataFile,
    RunSettings,
)

# What a score of each task is a share of, by the names in `names.COUNTS`.
_COUNTS = {
    "ner": "ner_gold_spans",
    "pos": "pos_gold_tokens",
    "morphologizer": "morphologizer_gold_tokens",
    "parser": "parser_gold_tokens",
    "sentences": "sentences_gold_sentences",
    "spancat": "spancat_gold_spans",
    "textcat": "textcat_texts",
}
# Texts of each language over which attention weights are averaged.
_N_WEIGHT_DOCS = 64


def run_process(
    folder: str, settings: RunSettings, device: int, threads: int, keep_model: bool
) -> None:
    """Do one run. This is the target of a process: all it says goes to the run's log.

    folder (str): The run's folder.
    settings (RunSettings): The run.
    device (int): GPU, or -1 for the CPU. It is the only one that the process sees.
    threads (int): Threads of torch.
    keep_model (bool): Keep the weights of the best checkpoint.
    """
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    die_with_parent()
    # An earlier process of this run, whose sweep was killed, may need a moment to notice.
    with filelock.FileLock(where / ".lock", timeout=60):
        _redirect(where / LOG)
        try:
            if device >= 0:
                spacy.require_gpu(0)
            torch.set_num_threads(threads)
            run(where, settings, gpu_id=0 if device >= 0 else -1, keep_model=keep_model)
        except Exception:
            # The sweep shows the end of the log; an exit code is all that it gets from here.
            traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)


def run(folder: Path, settings: RunSettings, *, gpu_id: int = -1, keep_model: bool = False) -> None:
    """Train, score the best checkpoint, and write `metrics.json` last of all.

    folder (Path): The run's folder.
    settings (RunSettings): The run.
    gpu_id (int): GPU, or -1 for the CPU.
    keep_model (bool): Keep the weights of the best checkpoint.
    """
    started = time.perf_counter()
    (folder / METRICS).unlink(missing_ok=True)
    write_text(folder / SETTINGS, _json(settings.content()))
    progress = Progress(folder / PROGRESS)
    progress.say("loading")
    config = run_config(settings, settings.texts, gpu=gpu_id >= 0)
    write_text(folder / CONFIG, config.to_str(interpolate=False))
    checkpoint = folder / MODEL
    state = TrainingState(folder / STATE, settings.hash)
    trained = train(config, checkpoint, gpu_id=gpu_id, on_step=progress.step, state=state)
    for point in trained.history:
        print(f"step {point['step']:>6}  dev {point['score']:.4f}  {point['losses']}", flush=True)
    begin = time.perf_counter()
    results = score(trained.nlp, settings.tests, progress)
    scored = time.perf_counter()
    record = {
        "hash": settings.hash,
        "settings": settings.content(),
        "key": settings.key,
        "scores": [row for result in results for row in score_rows(result)],
        "counts": {f"{r.language}/{r.split}": {"docs": r.n_docs, **r.counts} for r in results},
        "confusions": {f"{r.language}/{r.split}": r.confusions for r in results},
        "ner_f1_per_type": {
            f"{r.language}/{r.split}": r.ner_f1_per_type for r in results if r.ner_f1_per_type
        },
        "layer_weights": weights_by_language(trained.nlp, settings.tests),
        "history": trained.history,
        "best_step": trained.best_step,
        "speed": _speed(trained, settings, results),
        "versions": {"dlfa_spacy": __version__, "spacy": spacy.__version__},
        "device": torch.cuda.get_device_name() if gpu_id >= 0 else "cpu",
    }
    record["seconds"] = {
        "initialize": round(trained.initialize_seconds, 3),
        "train": round(trained.train_seconds, 3),
        "dev": round(trained.dev_seconds, 3),
        "test": round(scored - begin, 3),
        "other": round(time.perf_counter() - scored, 3),
        "all": round(time.perf_counter() - started, 3),
        # Of all threads: on a busy machine, the measure of the work.
        "cpu": round(time.process_time(), 3),
    }
    if keep_model:
        trained.nlp.to_disk(checkpoint)
    else:
        _remove(checkpoint)
    write_text(folder / METRICS, _json(record))


def run_config(settings: RunSettings, n_train: int, *, gpu: bool = False) -> Config:
    """Make the training config of a run: XTREME's recipe on a shipped base config.

    settings (RunSettings): The run.
    n_train (int): Training texts.
    gpu (bool): Train on a GPU, in mixed precision.
    RETURNS (Config): The config, not filled.
    RAISES (ValueError): A base config or an override does not exist.
    """
    per_epoch = -(-n_train // settings.batch_size)
    steps = settings.epochs * per_epoch
    config = make_config(
        settings.base,
        "last",
        encoder=settings.encoder_path,
        steps=steps,
        learn_rate=settings.learn_rate,
        gpu=gpu,
        frozen=settings.frozen,
        head=settings.head,
    )
    # XTREME fine-tunes every weight; only rows in four bits stay.
    config["initialize"].pop("after_init", None)
    if settings.frozen:
        config["components"]["transformer"]["cache"] = settings.cache
    for listener in listeners(config["components"]):
        listener["aggregation"] = dict(settings.block)
    for corpus in config["corpora"].values():
        # Reads a file several times as fast as spaCy's own.
        corpus["@readers"] = "dlfa_spacy.StreamingCorpus.v1"
        # Seeds differ in the order of texts and in the words drawn as well.
        corpus["seed"] = "${system.seed}"
    training = config["training"]
    training["eval_frequency"] = per_epoch
    training["optimizer"]["learn_rate"]["warmup_steps"] = round(settings.warmup * steps)
    training["batcher"]["size"] = settings.batch_size
    training["logger"] = {"@loggers": "spacy.ConsoleLogger.v1", "progress_bar": False}
    config["paths"].update(train=settings.train.path, dev=settings.dev.path)
    config["system"]["seed"] = settings.seed
    if settings.base == "textcat":
        # With exclusive classes micro F1 is accuracy, the metric of the table.
        training["score_weights"] = {"cats_score": 0.0, "cats_micro_f": 1.0}
    if settings.reinit:
        config["initialize"]["before_init"] = {
            "@callbacks": "dlfa_spacy.reinit_layers.v1",
            "layers": settings.reinit,
            "seed": settings.seed,
        }
    # Their blocks are part of the settings, whose hash names the run.
    for key, value in copy.deepcopy(settings.overrides).items():
        _override(config, key, value)
    augmenter = config["corpora"]["train"].get("augmenter") or {}
    if str(augmenter.get("@augmenters")).startswith("dlfa_spacy."):
        augmenter.setdefault("seed", "${system.seed}")
    return config


def score(nlp: Language, tests: list[DataFile], progress: Progress) -> list[LanguageResult]:
    """RETURNS (List[LanguageResult]): The scores of a pipeline on each file."""
    results = []
    tasks = pipeline_tasks(nlp)
    for number, test in enumerate(tests):
        progress.say(f"scoring {test.language}", number, len(tests))
        files = LanguageFiles(test.language, test.split, [Path(test.path)])
        results.append(evaluate_language(nlp, files, tasks))
    return results


def score_rows(result: LanguageResult) -> list[dict[str, Any]]:
    """RETURNS (List[Dict[str, Any]]): A row of the table for each score of a language."""
    return [
        {
            "language": result.language,
            "split": result.split,
            "metric": metric,
            "value": value,
            "count": result.counts[_COUNTS[metric.partition("_")[0]]],
        }
        for metric, value in result.scores.items()
    ]


def weights_by_language(nlp: Language, tests: list[DataFile]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The weight of each layer, by component, that does not depend on a
    text; and by language the mean over its first texts. Empty for other aggregations."""
    fixed = layer_weights(nlp)
    if not fixed:
        return {}
    by_language = {}
    for test in tests:
        docs = read_docs(Path(test.path), vocab=nlp.vocab, language=test.language)
        first = [doc for _, doc in zip(range(_N_WEIGHT_DOCS), docs, strict=False)]
        by_language[f"{test.language}/{test.split}"] = layer_weights(nlp, first)
    return {"without_text": fixed, "by_language": by_language}


class Progress:
    """What the process is at, in a file that the sweep looks at.

    path (Path): The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = 0.0

    def say(self, phase: str, done: int = 0, total: int = 0) -> None:
        """Write a phase and how much of it is done."""
        self._written = time.monotonic()
        write_text(self.path, json.dumps({"phase": phase, "done": done, "total": total}))

    def step(self, step: int, steps: int) -> None:
        """Write a training step, at most once per second."""
        if time.monotonic() - self._written > 1:
            self.say("training", step, steps)


def _speed(
    trained: Trained, settings: RunSettings, results: list[LanguageResult]
) -> dict[str, float]:
    n_pieces = _n_pieces(trained.nlp, settings.train) * settings.epochs
    seconds = sum(result.seconds for result in results)
    return {
        "train_wordpieces": n_pieces,
        "train_wordpieces_per_second": round(n_pieces / max(trained.train_seconds, 1e-9), 1),
        "test_words_per_second": round(sum(r.n_tokens for r in results) / max(seconds, 1e-9), 1),
    }


def _n_pieces(nlp: Language, data: DataFile) -> int:
    encoder = find_encoder(nlp)
    if encoder is None:
        return 0
    docs = list(read_docs(Path(data.path), vocab=nlp.vocab, language=data.language))
    return int(sum(encoder.segment(docs).lengths))


def _override(config: Config, key: str, value: Any) -> None:
    *path, last = key.split(".")
    block: Any = config
    for name in path:
        if not isinstance(block, dict) or name not in block:
            raise ValueError(
                f"[sweep.overrides] {key}: the training config has no block {name}, expected one. "
                "Fix: a dotted key such as training.dropout."
            )
        block = block[name]
    block[last] = value


def _redirect(log: Path) -> None:
    file_ = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(file_, 1)
    os.dup2(file_, 2)
    os.close(file_)
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
