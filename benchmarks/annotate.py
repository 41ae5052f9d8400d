"""Words per second of `dlfa annotate` beside one plain `nlp.pipe`, and its memory.

    python benchmarks/annotate.py training/model-best --page docs/annotate.md
    python benchmarks/annotate.py --memory 100000,1000000 --page docs/annotate.md

Speed is that of whole shards, written, from the moment at which the first process has loaded its
pipeline; memory is the peak of the resident set of the command and of its one process.
"""

import json
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import spacy
import torch
import typer

from dlfa_spacy.annotation import AnnotationSettings, annotate
from dlfa_spacy.corpora import read_docs
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe

SPEED, MEMORY = "<!-- dlfa:annotate-speed -->", "<!-- dlfa:annotate-memory -->"


def main(
    model: Annotated[str, typer.Argument(help="Folder or package of a pipeline.")] = "xx_dlfa_ner",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    texts: Annotated[int, typer.Option(help="Texts, of all languages in turn.")] = 2000,
    workers: Annotated[str, typer.Option(help="Processes, one table row each.")] = "1,2",
    shard_size: Annotated[int, typer.Option(help="Rows of a shard.")] = 200,
    rounds: Annotated[int, typer.Option(help="Rounds; the speed is their median.")] = 3,
    memory: Annotated[
        str, typer.Option(help="Measure memory instead, with so many texts: 100000,1000000.")
    ] = "",
    page: Annotated[Path | None, typer.Option(help="Markdown file for the table.")] = None,
) -> None:
    """Measure, print, and put the table on a page."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if memory:
            table, marker = memory_table([int(n) for n in memory.split(",")], Path(folder)), MEMORY
        else:
            lines = read_texts(corpus, texts)
            numbers = [int(n) for n in workers.split(",")]
            table = speed_table(model, lines, numbers, shard_size, rounds, Path(folder))
            marker = SPEED
    typer.echo(table)
    if page is not None:
        insert_between_markers(page, table, marker)


def read_texts(corpus: Path, n: int) -> list[str]:
    """RETURNS (List[str]): Texts of all languages in turn."""
    files = sorted(corpus.glob("*/test.conllu"))
    by_language = [[doc.text for doc in read_docs(path)] for path in files]
    longest = max(map(len, by_language))
    found = [own[k] for k in range(longest) for own in by_language if k < len(own)]
    return (found * (1 + n // len(found)))[:n]


class Clock:
    """A watcher that knows when the first process began, and when the last text was done."""

    def __init__(self) -> None:
        self.begin = self.end = 0.0
        self.words = 0

    def planned(self, texts: int, done: int, failed: int) -> None: ...

    def moved(self, texts: int, words: int, failed: int) -> None:
        self.end = time.perf_counter()
        self.begin = self.begin or self.end
        self.words += words

    def died(self, reason: str) -> None:
        raise RuntimeError(f"A process {reason}.")


def speed_table(
    model: str, texts: list[str], workers: list[int], shard_size: int, rounds: int, folder: Path
) -> str:
    """RETURNS (str): Words per second, each round every system once."""
    given = write(folder / "texts.jsonl", texts)
    settings = AnnotationSettings(model, shard_size=shard_size)
    nlp = spacy.load(model)
    speeds: dict[str, list[float]] = {}
    for turn in range(rounds):
        begin = time.perf_counter()
        words = sum(len(doc) for doc in nlp.pipe(texts))
        seconds = time.perf_counter() - begin
        speeds.setdefault("nlp.pipe, one process (the limit of one worker)", []).append(
            words / seconds
        )
        for number in workers:
            clock = Clock()
            out = folder / f"out-{turn}-{number}"
            annotate(str(given), out, settings, devices=[-1] * number, watcher=clock)
            name = f"dlfa annotate, {number} worker{'s' * (number > 1)}"
            speeds.setdefault(name, []).append(clock.words / (clock.end - clock.begin))
    limit = median(next(iter(speeds.values())))
    rows = [
        [
            name,
            f"{median(each):,.0f}",
            f"{min(each):,.0f}–{max(each):,.0f}",
            f"{median(each) / limit:.2f}",
        ]
        for name, each in speeds.items()
    ]
    note = (
        f"{len(texts):,} texts, {words:,} words, in shards of {shard_size}; medians of {rounds} "
        f"interleaved rounds. {describe(1)}."
    )
    header = ["system", "words/s", "slowest to fastest round", "of the limit"]
    return f"{markdown_table(header, rows)}\n{note}"


def memory_table(numbers: list[int], folder: Path) -> str:
    """RETURNS (str): Peak memory by number of texts, each with a word of its own."""
    nlp = spacy.blank("xx")
    patterns = [{"label": "PER", "pattern": "Ada"}]
    nlp.add_pipe("entity_ruler").add_patterns(patterns)  # type: ignore[attr-defined]
    nlp.to_disk(folder / "rules")
    rows = []
    for number in numbers:
        given = folder / f"{number}.txt"
        with given.open("w", encoding="utf-8") as file_:
            file_.writelines(f"Ada{n} met Ada in Rome{n}.\n" for n in range(number))
        peaks = Peaks()
        with peaks:
            clock = Clock()
            settings = AnnotationSettings(str(folder / "rules"))
            annotate(str(given), folder / f"out-{number}", settings, watcher=clock)
        seconds = clock.end - clock.begin
        megabytes = [f"{peak / 2**20:,.0f} MB" for peak in (peaks.command, peaks.process)]
        rows.append([f"{number:,}", *megabytes, f"{number / seconds:,.0f}"])
    note = f"A blank pipeline with an entity ruler, one worker. {describe(1)}."
    return f"{markdown_table(['texts', 'command', 'process', 'texts/s'], rows)}\n{note}"


class Peaks:
    """Looks at the memory of this process and its children, ten times a second."""

    def __init__(self) -> None:
        self.command = self.process = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        own = psutil.Process()
        while not self._is_over.wait(0.1):
            self.command = max(self.command, own.memory_info().rss)
            for child in own.children():
                try:
                    self.process = max(self.process, child.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue


def write(path: Path, texts: list[str]) -> Path:
    """RETURNS (Path): A file of JSONL."""
    with path.open("w", encoding="utf-8") as file_:
        file_.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    return path


if __name__ == "__main__":
    typer.run(main)
