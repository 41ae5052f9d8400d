"""How much some annotated sentences of a language bring, and what they cost English."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.folder import LanguageFiles, find_languages
from ..corpora.subset import sample
from ..evaluation.evaluate import evaluate_language
from ..evaluation.tasks import pipeline_tasks
from ..files.csv_table import write_csv
from ..pipeline.resume import set_weights, weights
from ..transfer.train_on.annotation import find_learners
from ..transfer.train_on.train_on import TrainOnSettings, read_texts, train_on

TABLE = "few_shot.csv"
# Trained on texts of `language`, scored in `scored`, which is that language or the source language.
COLUMNS = ("language", "regime", "texts", "seed", "scored", "split", "metric", "value")
# What was trained on: texts of the language alone, or as many of the source language with them.
ALONE, MIXED = "alone", "with {}"


@dataclass(frozen=True)
class Curve:
    """What is trained and scored.

    counts (Tuple[int, ...]): Texts of a language to train on; 0 is the pipeline as it is.
    seeds (Tuple[int, ...]): Of the draw of those texts, and of the training.
    split (str): The split to train on.
    source (str): The language that the pipeline was first trained on.
    limit (int): Texts scored in each language; 0 for all.
    """

    counts: tuple[int, ...] = (0, 10, 50, 200)
    seeds: tuple[int, ...] = (0, 1, 2)
    split: str = "train"
    source: str = "en"
    limit: int = 0

    def __post_init__(self) -> None:
        if not self.counts or min(self.counts) < 0:
            raise ValueError(
                f"curve = {', '.join(map(str, self.counts)) or 'nothing'}: expected numbers of "
                "texts from 0. Fix: 0,10,50,200."
            )


def few_shot_curve(
    nlp: Language,
    corpus: Path,
    tests: Path,
    out: Path,
    curve: Curve,
    settings: TrainOnSettings,
    *,
    beside: Sequence[Doc] = (),
    gpu_id: int = -1,
    on_run: Callable[[str, int, int], None] = lambda name, done, runs: None,
) -> Path:
    """Train a pipeline on some texts of a language, again and again from the same weights, and
    score that language and the source language.

    nlp (Language): The pipeline. A folder for its encoder's layers (`keep_layers`) has each text
        encoded once. It has its own weights again in the end.
    corpus (Path): Holds `<lang>/<split>.spacy` to train on. Smaller draws are part of larger.
    tests (Path): Holds `<lang>/test.spacy`, or dev where there is no test.
    out (Path): Folder of the table, `few_shot.csv`: a row for each score. It is written anew after
        each language.
    curve (Curve): What is trained and scored.
    settings (TrainOnSettings): How. The seed is the curve's.
    beside (Sequence[Doc]): If given, everything is done a second time with these mixed in.
    gpu_id (int): GPU, or -1 for the CPU.
    on_run (Callable[[str, int, int], None]): Told what is done next, how many trainings were done,
        and how many there are.
    RETURNS (Path): The table.
    RAISES (ValueError): There is no language but the source language, or it has not so many texts.
    """
    languages = [
        files.language
        for files in find_languages(corpus, (curve.split,))
        if files.language != curve.source
    ]
    if not languages:
        raise ValueError(
            f"{corpus}: found no language but {curve.source}. Expected <lang>/{curve.split}.spacy "
            "of at least one other. Fix: another corpus."
        )
    found = find_languages(tests, ("test", "dev"), [curve.source, *languages])
    files = {one.language: one for one in found}
    texts = {code: _texts(nlp, corpus, code, curve) for code in languages}
    every = [doc for docs in texts.values() for doc in docs]
    learners = find_learners(nlp, every, settings.components)
    frozen = [name for name in nlp.pipe_names if name not in learners]
    initial = copy.deepcopy(weights(nlp, frozen))
    plan = [
        (regime, count, seed)
        for regime in (ALONE, MIXED.format(curve.source))[: 2 if beside else 1]
        for count in sorted(curve.counts)
        # Without texts there is no chance in it.
        for seed in (curve.seeds if count else curve.seeds[:1])
    ]
    rows: list[dict[str, Any]] = []

    def scores(code: str) -> list[dict[str, Any]]:
        return list(_scores(nlp, files[code], curve.limit))

    # The pipeline as it is scores the same whatever comes after.
    before = functools.cache(scores)
    for number, code in enumerate(languages):
        for done, (regime, count, seed) in enumerate(plan, start=number * len(plan)):
            name = f"{code}: {count} texts, {regime}, seed {seed}"
            on_run(name, done, len(plan) * len(languages))
            set_weights(nlp, frozen, initial)
            if count:
                chosen = list(sample(texts[code], len(texts[code]), count, seed))
                own = replace(settings, components=tuple(learners), seed=seed)
                mixed = beside if regime != ALONE else ()
                train_on(nlp, chosen, own, beside=mixed, gpu_id=gpu_id)
            run = {"language": code, "regime": regime, "texts": count, "seed": seed}
            for scored in (code, curve.source):
                rows += [{**run, **row} for row in (scores if count else before)(scored)]
        write_csv(out / TABLE, rows)
    set_weights(nlp, frozen, initial)
    return out / TABLE


def _texts(nlp: Language, corpus: Path, language: str, curve: Curve) -> list[Doc]:
    (files,) = find_languages(corpus, (curve.split,), (language,))
    docs = [doc for path in files.paths for doc in read_texts(nlp, path, curve.split)]
    if len(docs) < max(curve.counts):
        raise ValueError(
            f"{files.paths[0]}: found {len(docs)} texts. Expected {max(curve.counts)}, the largest "
            f"number of --curve. Fix: numbers up to {len(docs)}."
        )
    return docs


def _scores(nlp: Language, files: LanguageFiles, limit: int) -> Iterator[dict[str, Any]]:
    result = evaluate_language(nlp, files, pipeline_tasks(nlp), limit=limit)
    for metric, value in result.scores.items():
        yield {"scored": files.language, "split": files.split, "metric": metric, "value": value}
