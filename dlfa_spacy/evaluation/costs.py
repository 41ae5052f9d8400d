"""What each option of `dlfa optimize` costs and gains: scores per language, size and speed."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from itertools import islice
from pathlib import Path

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.folder import find_languages
from ..corpora.loading import read_docs
from ..metrics.names import MAIN
from ..optimization.optimize import Options, folder_size, optimize
from ..optimization.speed.machine import processor
from ..optimization.speed.rounds import measure
from ..optimization.stock import stock_pipeline
from ..pipeline.sources import open_pipeline
from .evaluate import evaluate

ORIGINAL = "as it was"
STOCK = "stock spacy-transformers"
# The options by the names they have on the command line.
NAMES = {
    "drop": "--drop-layers",
    "trim": "--trim-vocab",
    "int8": "--int8",
    "int8_embeddings": "--int8-embeddings",
    "int4": "--int4",
    "int4_embeddings": "--int4-embeddings",
    "half": "--half",
    "onnx": "--onnx",
}

ReadTexts = Callable[[Language], list[Doc]]


@dataclass(frozen=True)
class Corpus:
    """What is scored.

    folders (Sequence[Path]): Each holds `<lang>/<split>.spacy`, as for `dlfa evaluate`.
    splits (Sequence[str]): In order of preference.
    source (str): The language trained on; all others are targets.
    limit (int): Texts per language, a seeded draw; 0 for all.
    timed (int): Texts of each language that speed is measured with.
    rounds (int): Timed rounds; one more to warm up.
    alone (bool): Each option alone, too; else only together.
    """

    folders: Sequence[Path]
    splits: Sequence[str] = ("test",)
    source: str = "en"
    limit: int = 0
    timed: int = 25
    rounds: int = 5
    alone: bool = True


@dataclass
class Cost:
    """One row of the table.

    name (str): What was done.
    size (int): Bytes of the saved pipeline.
    words_per_second (float): Median over the rounds.
    scores (Dict[str, Dict[str, float]]): By metric and language, from 0 to 1; empty for the stock
        pipeline, which is not trained.
    """

    name: str
    size: int
    words_per_second: float = 0.0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass
class Costs:
    """The table.

    rows (List[Cost]): The pipeline as it was, first; then each option alone, then together.
    stock (Optional[Cost]): The stock pipeline, if there is one.
    source (str): The language trained on.
    settings (Dict[str, str]): How it was measured.
    """

    rows: list[Cost]
    stock: Cost | None
    source: str
    settings: dict[str, str]

    def losses(self, row: Cost) -> dict[str, dict[str, float]]:
        """RETURNS (Dict[str, Dict[str, float]]): Points lost by metric and language."""
        whole = self.rows[0].scores
        return {
            metric: {
                language: 100 * (whole[metric][language] - found) for language, found in by.items()
            }
            for metric, by in row.scores.items()
        }

    def mean_loss(self, row: Cost) -> float:
        """RETURNS (float): Points lost, the mean over the target languages of each task, and over
        the tasks."""
        means = [
            statistics.fmean(loss for language, loss in by.items() if language != self.source)
            for by in self.losses(row).values()
        ]
        return statistics.fmean(means)


def variants(options: Options, alone: bool = True) -> dict[str, Options]:
    """RETURNS (Dict[str, Options]): Each option alone, all together, and all but `--onnx`. Blocks
    that nothing reads are removed in every one of them, unless `cut` is off."""
    plain = Options(cut=options.cut)
    chosen = [
        x.name for x in fields(options) if x.name != "cut" and getattr(options, x.name) != x.default
    ]
    found = {"cut only": plain} if options.cut and (alone or not chosen) else {}
    for name in chosen:
        if alone or len(chosen) == 1:
            found[NAMES[name]] = replace(plain, **{name: getattr(options, name)})
    if options.onnx and len(chosen) > 2:
        found[" ".join(NAMES[name] for name in chosen if name != "onnx")] = replace(
            options, onnx=False
        )
    if len(chosen) > 1:
        found[" ".join(NAMES[name] for name in chosen)] = options
    return found


def measure_costs(
    source: str | Path,
    options: Options,
    corpus: Corpus,
    read_texts: ReadTexts | None = None,
    stock: bool = True,
    on_step: Callable[[str], None] = lambda words: None,
) -> Costs:
    """Optimize a pipeline with each option alone and with all of them, and compare.

    source (Union[str, Path]): The trained pipeline.
    options (Options): The options.
    corpus (Corpus): What to score.
    read_texts (Optional[Callable]): As for `optimize`.
    stock (bool): Whether to measure size and speed of a stock pipeline, too.
    on_step (Callable): Told what comes next.
    RETURNS (Costs): The table.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipelines = {ORIGINAL: open_pipeline(str(source))}
        pipelines[ORIGINAL].to_disk(folder / "original")
        rows = [Cost(ORIGINAL, folder_size(folder / "original"))]
        stock_row = None
        if stock:
            # First, since not every pipeline has one.
            pipelines[STOCK] = stock_pipeline(pipelines[ORIGINAL], folder / "encoder")
            pipelines[STOCK].to_disk(folder / "stock")
            stock_row = Cost(STOCK, folder_size(folder / "stock"))
        for i, (title, chosen) in enumerate(variants(options, corpus.alone).items()):
            on_step(f"Optimizing: {title}")
            target = folder / f"variant_{i}"
            optimize(source, target, chosen, read_texts)
            pipelines[title] = spacy.load(target)
            rows.append(Cost(title, folder_size(target)))
        for row in rows:
            on_step(f"Scoring: {row.name}")
            row.scores = _scores(pipelines[row.name], corpus)
        on_step("Timing")
        words = list(_words(pipelines[ORIGINAL], corpus))
        speeds = _speeds(pipelines, words, corpus.rounds)
        for row in [*rows, *([stock_row] if stock_row else [])]:
            row.words_per_second = speeds[row.name]
    settings = {
        "texts per language, for scores": str(corpus.limit) if corpus.limit else "all",
        "words timed": str(sum(len(text) for text in words)),
        "rounds": str(corpus.rounds),
        "processor": processor(),
        "threads": str(torch.get_num_threads()),
        "torch": torch.__version__,
    }
    return Costs(rows, stock_row, corpus.source, settings)


def _scores(nlp: Language, corpus: Corpus) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for folder in corpus.folders:
        evaluation = evaluate(
            nlp, folder, splits=corpus.splits, source=corpus.source, limit=corpus.limit
        )
        for metric in set(evaluation.metrics) & set(MAIN.values()):
            if metric in found:
                raise ValueError(
                    f"--corpus {folder}: another folder has scores for {metric}, too. Expected "
                    "folders of different tasks. Fix: score one of them at a time."
                )
            found[metric] = {
                result.language: result.scores[metric]
                for result in evaluation.languages
                if metric in result.scores
            }
    for metric, by_language in found.items():
        if not set(by_language) - {corpus.source}:
            raise ValueError(
                f"--corpus: {metric} has no language but {corpus.source}. Expected another one, "
                "for the loss in zero-shot transfer. Fix: add languages, or correct --source."
            )
    return dict(sorted(found.items()))


def _words(nlp: Language, corpus: Corpus) -> Iterator[list[str]]:
    for folder in corpus.folders:
        for files in find_languages(folder, corpus.splits):
            docs = read_docs(
                files.paths[0],
                vocab=nlp.vocab,
                language=files.language,
                make_doc=nlp.make_doc,
            )
            for doc in islice((doc for doc in docs if len(doc)), corpus.timed):
                yield [token.text for token in doc]


def _speeds(
    pipelines: dict[str, Language], words: list[list[str]], rounds: int
) -> dict[str, float]:
    """RETURNS (Dict[str, float]): Words per second, medians of interleaved rounds."""
    runs = {name: partial(_annotate, nlp, words) for name, nlp in pipelines.items()}
    total = sum(len(text) for text in words)
    return {name: total / statistics.median(taken) for name, taken in measure(runs, rounds).items()}


def _annotate(nlp: Language, words: list[list[str]]) -> float:
    """RETURNS (float): Seconds, those for making the Docs left out."""
    docs = [Doc(nlp.vocab, words=text) for text in words]
    start = time.perf_counter()
    for _ in nlp.pipe(docs):
        pass
    return time.perf_counter() - start
