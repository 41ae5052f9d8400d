"""Zero-shot evaluation: one pipeline, many languages, in constant memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..corpora.bare import bare_doc
from ..corpora.docbin import count_docs
from ..corpora.folder import LanguageFiles, find_languages
from ..corpora.loading import ReadingOptions, read_docs, topics_of
from ..corpora.sentence import ReadingNotes
from ..corpora.subset import sample
from ..encoder.cache import part_name
from ..language import set_language
from ..pipeline.encoders import find_encoder
from .examples import wrong_text
from .model_info import model_info, training_seed, variant
from .results import Evaluation, LanguageResult
from .scorer import LanguageScorer
from .tasks import PipelineTasks, pipeline_tasks

OnDoc = Callable[[], None]
OnTotal = Callable[[int], None]
OnLanguage = Callable[[LanguageFiles], None]


def _gold_docs(
    nlp: Language, files: LanguageFiles, options: ReadingOptions, notes: ReadingNotes
) -> Iterator[Doc]:
    public = [path for path in files.paths if path.suffix != ".spacy"]
    topics = {topic for path in public for topic in topics_of(path, options)}
    for path in files.paths:
        yield from read_docs(
            path,
            vocab=nlp.vocab,
            language=files.language,
            options=options,
            topics=topics,
            make_doc=nlp.make_doc,
            notes=notes,
        )


def _inputs(nlp: Language, golds: Iterator[Doc], gold_tokens: bool) -> Iterator[tuple[Doc, Doc]]:
    for gold in golds:
        if gold_tokens:
            doc = bare_doc(nlp.vocab, gold)
        else:
            doc = nlp.make_doc(gold.text)
        set_language(doc, gold._.language)
        yield doc, gold


def evaluate_language(
    nlp: Language,
    files: LanguageFiles,
    tasks: PipelineTasks,
    *,
    gold_tokens: bool = True,
    batch_size: int | None = None,
    limit: int = 0,
    limit_seed: int = 0,
    options: ReadingOptions | None = None,
    n_examples: int = 0,
    calibration: bool = False,
    on_doc: OnDoc | None = None,
    on_total: OnTotal | None = None,
) -> LanguageResult:
    """Score a pipeline on one language. No Doc outlives its batch.

    nlp (Language): The pipeline.
    files (LanguageFiles): What to read.
    tasks (PipelineTasks): What the pipeline predicts.
    gold_tokens (bool): Give the pipeline the gold tokens, or else the raw text.
    batch_size (Optional[int]): Texts per batch; by default the pipeline's own.
    limit (int): Score that many texts, a seeded draw; 0 for all.
    limit_seed (int): Seed of that draw.
    options (Optional[ReadingOptions]): How to read public formats.
    n_examples (int): Keep the first texts with errors, that many.
    calibration (bool): Compare confidences with what is right.
    on_doc (Optional[Callable[[], None]]): Called for each text scored.
    on_total (Optional[Callable[[int], None]]): Called with the number of texts, where it can be
        known beforehand: with a limit, and of .spacy files.
    RETURNS (LanguageResult): The scores.
    RAISES (ValueError): If a file is malformed, empty, or without annotation for any task.
    """
    options = options or ReadingOptions()
    notes, unused = ReadingNotes(), ReadingNotes()
    total = sum(1 for _ in _gold_docs(nlp, files, options, unused)) if limit > 0 else 0
    if on_total is not None:
        if limit > 0:
            on_total(min(total, limit))
        elif all(path.suffix == ".spacy" for path in files.paths):
            on_total(sum(count_docs(path) for path in files.paths))
    golds = sample(_gold_docs(nlp, files, options, notes), total, limit, limit_seed)
    scorer = LanguageScorer(tasks, gold_tokens=gold_tokens, calibration=calibration)
    examples: list[dict[str, Any]] = []
    n_kept = 0
    seconds = 0.0
    started = time.perf_counter()
    for predicted, gold in nlp.pipe(
        _inputs(nlp, golds, gold_tokens), as_tuples=True, batch_size=batch_size
    ):
        seconds += time.perf_counter() - started
        scorer.add(gold, predicted)
        if n_kept < n_examples:
            errors = wrong_text(gold, predicted, tasks)
            examples += errors
            n_kept += bool(errors)
        # A context that refers to the gold Doc would keep both alive in a cycle.
        predicted._context = None
        if on_doc is not None:
            on_doc()
        started = time.perf_counter()
    scores = scorer.scores()
    if not scores:
        names = ", ".join(str(path) for path in files.paths)
        raise ValueError(
            f"{names}: found {scorer.n_docs} texts without annotation for "
            f"{', '.join(tasks.names)}, expected some. Does the corpus fit the pipeline?"
        )
    return LanguageResult(
        language=files.language,
        split=files.split,
        n_docs=scorer.n_docs,
        n_tokens=scorer.n_tokens,
        seconds=seconds,
        scores=scores,
        counts=scorer.counts(),
        ner_f1_per_type=scorer.ner_f1_per_type(),
        reading_notes=notes.changes(),
        confusions=scorer.confusions(),
        multilabel_per_threshold=scorer.multilabel_per_threshold(),
        examples=examples,
        calibration=scorer.calibrations(),
    )


def _run_info(nlp: Language, folder: Path, run: dict[str, Any] | None) -> dict[str, Any]:
    given = {key: value for key, value in (run or {}).items() if value is not None}
    return {
        "name": given.get("name") or nlp.meta.get("name") or "pipeline",
        "variant": given.get("variant") or variant(nlp),
        "seed": given.get("seed", training_seed(nlp)),
        "train_data": given.get("train_data") or nlp.meta.get("train_data"),
        "eval_data": given.get("eval_data") or folder.name,
    }


def evaluate(
    nlp: Language,
    folder: Path,
    *,
    languages: Sequence[str] = (),
    splits: Sequence[str] = ("test",),
    source: str = "en",
    gold_tokens: bool = True,
    batch_size: int | None = None,
    limit: int = 0,
    limit_seed: int = 0,
    options: ReadingOptions | None = None,
    run: dict[str, Any] | None = None,
    n_examples: int = 0,
    calibration: bool = False,
    on_language: OnLanguage | None = None,
    on_doc: OnDoc | None = None,
    on_total: OnTotal | None = None,
) -> Evaluation:
    """Score a pipeline on every language of a folder, for every task that both have.

    nlp (Language): The pipeline.
    folder (Path): Holds `<lang>/<split>.spacy` (or .conllu, .iob2, .tsv).
    languages (Sequence[str]): Only these; empty for all.
    splits (Sequence[str]): Splits in order of preference, see `find_languages`.
    source (str): The language the pipeline was trained on, for the gap.
    gold_tokens (bool): Give the pipeline the gold tokens, as XTREME does, or else raw text.
    batch_size (Optional[int]): Texts per batch; by default the pipeline's own.
    limit (int): Texts to score per language, a seeded draw; 0 for all.
    limit_seed (int): Seed of that draw.
    options (Optional[ReadingOptions]): How to read public formats.
    run (Optional[Dict[str, Any]]): `name`, `variant`, `seed`, `train_data`, `eval_data` for the
        record; what is missing is taken from the pipeline's config and meta.
    n_examples (int): Texts with errors to keep per language, the first ones.
    calibration (bool): Compare confidences with what is right.
    on_language (Optional[Callable[[LanguageFiles], None]]): Called before each language.
    on_doc (Optional[Callable[[], None]]): Called for each text scored.
    on_total (Optional[Callable[[int], None]]): Called with the number of texts of each language,
        where it can be known beforehand: with a limit, and of .spacy files.
    RETURNS (Evaluation): The scores.
    """
    tasks = pipeline_tasks(nlp)
    options = options or ReadingOptions()
    result = Evaluation(
        run=_run_info(nlp, folder, run),
        model=model_info(nlp),
        settings={
            "data": folder.name,
            "tokens": "gold" if gold_tokens else "raw",
            "source": source,
            "splits": list(splits),
            "limit": limit,
            "limit_seed": limit_seed,
            "multiword": options.multiword,
        },
    )
    encoder = find_encoder(nlp)
    for files in find_languages(folder, splits, languages):
        if on_language is not None:
            on_language(files)
        if encoder is not None:
            encoder.cache.part = part_name(folder.name, files.language, files.split)
        result.languages.append(
            evaluate_language(
                nlp,
                files,
                tasks,
                gold_tokens=gold_tokens,
                batch_size=batch_size,
                limit=limit,
                limit_seed=limit_seed,
                options=options,
                n_examples=n_examples,
                calibration=calibration,
                on_doc=on_doc,
                on_total=on_total,
            )
        )
    return result
