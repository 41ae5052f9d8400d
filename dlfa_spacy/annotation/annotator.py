"""A loaded pipeline that annotates the rows of a shard: the part that needs no folder."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language

from ..pipeline.sources import open_pipeline
from .batches import cut_batches
from .output import Encode
from .problems import problem_of
from .records import Record
from .rows import RowMaker
from .settings import AnnotationSettings

# A memory zone forgets new words, but their place in the tables of the vocab, about 70 bytes each,
# is not given back: after so many the pipeline is loaded again.
_NEW_LEXEMES = 1_000_000
# After such an error of the driver every later call of the process fails too.
_BROKEN_DEVICE = "CUDA error"


@dataclass
class Annotated:
    """A shard that was annotated.

    rows (List[Any]): Each row of the result, encoded, in the order of the input.
    failed (List[Dict[str, Any]]): The lines of `failed.jsonl`, in the same order.
    words (int): Tokens.
    """

    rows: list[Any]
    failed: list[dict[str, Any]]
    words: int


class BrokenDevice(Exception):
    """The process can annotate nothing any more."""


class Killed(Exception):
    """What is said of a text whose processes were killed: not raised."""


class Annotator:
    """Annotates shards, each the same way wherever and whenever that is done.

    load (Callable[[], Language]): Gives the pipeline.
    settings (AnnotationSettings): How.
    """

    def __init__(self, load: Callable[[], Language], settings: AnnotationSettings) -> None:
        self.load_pipeline = load
        self.settings = settings
        self.nlp = self._fresh()
        self.make_row = RowMaker(self.nlp, settings)
        self.batch_size = settings.batch_size or self.nlp.batch_size

    @classmethod
    def of(cls, settings: AnnotationSettings, gpu_id: int = -1) -> Annotator:
        """Load the pipeline of the settings.

        settings (AnnotationSettings): Its name, and how it annotates.
        gpu_id (int): GPU, or -1 for the CPU.
        RETURNS (Annotator): The annotator.
        """
        if settings.code:
            spacy.util.import_file("python_code", Path(settings.code))
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
        return cls(partial(open_pipeline, settings.model), settings)

    def annotate(
        self,
        records: Sequence[Record],
        encode: Encode,
        *,
        skip: Mapping[int, str] | None = None,
        alone: bool = False,
        on_row: Callable[[int], None] = lambda number: None,
        on_texts: Callable[[int, int, int], None] = lambda texts, words, failed: None,
    ) -> Annotated:
        """Annotate a shard.

        records (Sequence[Record]): Its rows.
        encode (Callable[[Dict[str, Any]], Any]): What is kept of a row of the result.
        skip (Optional[Mapping[int, str]]): Rows that are not annotated, and why.
        alone (bool): Each text in a batch of its own.
        on_row (Callable[[int], None]): With `alone`, told the number of each row before its turn.
        on_texts (Callable[[int, int, int], None]): Told after each batch how many texts were done,
            their words, and how many failed.
        RETURNS (Annotated): What came of it.
        RAISES (BrokenDevice): The GPU answers no more.
        """
        skip = skip or {}
        rows: list[Any] = [None] * len(records)
        failures: dict[int, dict[str, Any]] = {}
        n_words = 0

        def fail(place: int, error: Exception) -> None:
            failures[place] = records[place].failure(
                self.settings.id_name, type(error).__name__, str(error)
            )

        column = self.settings.text_column
        lengths = {}
        for place, record in enumerate(records):
            problem = record.error or problem_of(record, column, self.nlp.max_length)
            if problem is not None:
                fail(place, problem)
            else:
                lengths[place] = len(record.values[column])
        on_texts(len(failures), 0, len(failures))
        # What a component prints must not get between the rows on stdout.
        with redirect_stdout(sys.stderr), self.nlp.memory_zone():
            for batch in cut_batches(lengths, 1 if alone else self.batch_size):
                for place in batch:
                    if records[place].number in skip:
                        fail(place, Killed(skip[records[place].number]))
                # Only now: the other batches are the same with and without them.
                left = [place for place in batch if place not in failures]
                if alone and left:
                    on_row(records[left[0]].number)
                n_before = n_words
                for place, row, words in self._try(records, left, encode) if left else ():
                    if isinstance(words, Exception):
                        fail(place, words)
                    else:
                        rows[place] = row
                        n_words += words
                n_failed = sum(place in failures for place in batch)
                on_texts(len(batch), n_words - n_before, n_failed)
        if len(self.nlp.vocab) > self._n_lexemes + _NEW_LEXEMES:
            self.nlp = self._fresh()
        done = [row for place, row in enumerate(rows) if place not in failures]
        return Annotated(done, [failures[place] for place in sorted(failures)], n_words)

    def _fresh(self) -> Language:
        # The old one goes first, so that there is room for one at a time.
        self.__dict__.pop("nlp", None)
        gc.collect()
        nlp = self.load_pipeline()
        self._n_lexemes = len(nlp.vocab)
        if self.settings.max_length:
            nlp.max_length = self.settings.max_length
        return nlp

    def _try(
        self, records: Sequence[Record], places: list[int], encode: Encode
    ) -> Iterator[tuple[int, Any, int | Exception]]:
        """Annotate a batch. If that fails, its halves, until the texts at fault are alone.

        YIELDS (Tuple[int, Any, Union[int, Exception]]): Each place, its row, and its words; or why
            there are none.
        """
        problem: Exception | None = None
        for _ in range(1 + self.settings.retries if len(places) == 1 else 1):
            try:
                results = self._pipe(records, places, encode)
            except Exception as error:
                if _BROKEN_DEVICE in str(error):
                    raise BrokenDevice(str(error)) from error
                problem = error
            else:
                yield from results
                return
        if len(places) == 1 and problem is not None:
            yield places[0], None, problem
            return
        half = len(places) // 2
        yield from self._try(records, places[:half], encode)
        yield from self._try(records, places[half:], encode)

    def _pipe(
        self, records: Sequence[Record], places: list[int], encode: Encode
    ) -> list[tuple[int, Any, int]]:
        texts = [records[place].values[self.settings.text_column] for place in places]
        docs = self.nlp.pipe(texts, batch_size=len(texts))
        return [
            (place, encode(self.make_row(records[place], doc)), len(doc))
            for place, doc in zip(places, docs, strict=True)
        ]
