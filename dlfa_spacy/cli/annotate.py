"""`dlfa annotate`: a corpus of any size, by processes that may be killed."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import comma_list, output, plain_errors, progress, shown
from .stopping import stopping

if TYPE_CHECKING:
    from ..annotation import AnnotationSettings
    from ..annotation.annotator import Annotated as AnnotatedShard


def annotate_cli(
    given: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="JSONL, Parquet, or text with a text a line: a file, a folder, or a pattern in "
            "quotes; - is stdin.",
        ),
    ],
    out: Annotated[
        str,
        typer.Argument(metavar="OUT", help="Folder for the result; - is JSONL on stdout."),
    ],
    model: Annotated[str, typer.Option(help="A pipeline: its folder or package name.")],
    text_column: Annotated[str, typer.Option(help="The column with the text.")] = "text",
    id_column: Annotated[
        str, typer.Option(help="The column with the id. Default: id, in files that have it.")
    ] = "",
    keep: Annotated[
        str, typer.Option(help="Columns to carry along: title,date. The text is one too.")
    ] = "",
    format: Annotated[str, typer.Option(help="Of the result: jsonl or parquet.")] = "jsonl",
    tokens: Annotated[
        bool, typer.Option("--tokens", help="Tokens too, with what the pipeline says of each.")
    ] = False,
    workers: Annotated[
        int, typer.Option(min=1, help="Processes on the CPU, of one thread each.")
    ] = 1,
    shard_size: Annotated[
        int, typer.Option(min=1, help="Rows of a shard: what is done again after a stop.")
    ] = 1000,
    batch_size: Annotated[
        int, typer.Option(min=0, help="Texts per batch; 0 for the pipeline's own setting.")
    ] = 0,
    gpus: Annotated[str, typer.Option(help="GPUs, with a process each: 0,1.")] = "",
    ray: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="A Ray cluster that annotates: HOST:PORT, auto for the one that this machine is "
            "in, or local to start one here. --workers and --gpus say how many actors there are. "
            "IN, OUT and the pipeline are on a disk that all its machines share.",
        ),
    ] = "",
    max_length: Annotated[
        int,
        typer.Option(min=0, help="Characters of a text, at most; 0 for the pipeline's setting."),
    ] = 0,
    retries: Annotated[
        int, typer.Option(min=0, help="How often a text that fails is tried again, alone.")
    ] = 3,
    code: Annotated[
        Path | None, typer.Option("--code", "-c", help="Python file with your own functions.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Annotate texts with a pipeline: entities and what else it finds, by character, in JSONL or
    Parquet.

    Can be killed at any moment: the same command goes on. A text that fails, or kills its process,
    is listed in OUT/failed.jsonl, and the others are annotated. Ends with 1 if there is one.

    [bold]Examples[/]

    A folder of files, by four processes:

      [cyan]dlfa annotate texts annotated --model xx_dlfa_ner --workers 4[/]

    Columns of one's own, carried along:

      [cyan]dlfa annotate news.parquet annotated --model xx_dlfa_ner --text-column body
      --id-column url --keep title,date --format parquet[/]

    In a pipe:

      [cyan]cat texts.txt | dlfa annotate - - --model xx_dlfa_ner > annotated.jsonl[/]
    """
    left = "The same command goes on where it was." if out != "-" else ""
    with plain_errors(), stopping(left):
        from ..annotation import AnnotationSettings, annotate, annotate_stream

        settings = AnnotationSettings(
            model,
            text_column,
            id_column,
            tuple(comma_list(keep)),
            format,
            tokens,
            shard_size,
            batch_size,
            max_length,
            retries,
            "" if code is None else str(code.resolve()),
        )
        devices = _devices(gpus, workers)
        with _Watcher(quiet=quiet) as watcher:
            if out == "-":
                _check_stream(settings, len(devices), ray)
                annotate_stream(
                    given,
                    sys.stdout.buffer,
                    settings,
                    gpu_id=devices[0],
                    on_shard=watcher.shard,
                )
                failed = watcher.failed
            else:
                summary = annotate(
                    given,
                    Path(out),
                    settings,
                    devices=devices,
                    watcher=watcher,
                    ray=ray or None,
                )
                failed = summary.failed
        if out != "-" and not quiet:
            where = f", see {shown(Path(out) / 'failed.jsonl')}" if failed else ""
            output().print(
                f"{summary.annotated:,} texts annotated, {summary.words:,} words; {failed:,} "
                f"failed{where}.",
                soft_wrap=True,
                highlight=False,
            )
    if failed:
        raise typer.Exit(1)


def _devices(gpus: str, workers: int) -> list[int]:
    names = comma_list(gpus)
    if not all(name.isdigit() for name in names):
        raise ValueError(
            f"--gpus = {gpus}: expected the numbers of GPUs, with commas. Fix: --gpus 0,1."
        )
    if names and workers > 1:
        raise ValueError(
            f"--workers = {workers} with --gpus {gpus}: expected one of them, as each GPU has one "
            "process. Fix: leave out --workers."
        )
    return [int(name) for name in names] or [-1] * workers


def _check_stream(settings: "AnnotationSettings", processes: int, ray: str) -> None:
    if ray:
        raise ValueError(
            f"OUT = - with --ray {ray}: expected a folder. Fix: choose one on a disk that all "
            "machines of the cluster share."
        )
    if processes > 1:
        raise ValueError(
            f"OUT = - with {processes} processes: expected one, which writes in order. Fix: leave "
            "out --workers, or choose a folder."
        )
    if settings.format != "jsonl":
        raise ValueError(
            f"OUT = - with format = {settings.format}: expected jsonl. Fix: choose a folder."
        )


class _Watcher:
    """Shows how far it is, on stderr if that is a terminal."""

    def __init__(self, *, quiet: bool) -> None:
        self.failed = 0
        self._words = 0
        self._begin = time.monotonic()
        self._bar = progress(quiet=quiet, remaining=True)
        self._task = self._bar.add_task("Annotating", total=None, detail="texts")

    def __enter__(self) -> "_Watcher":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def planned(self, texts: int, done: int, failed: int) -> None:
        self.failed = failed
        self._bar.update(self._task, total=texts, completed=done)
        self._begin = time.monotonic()

    def moved(self, texts: int, words: int, failed: int) -> None:
        self._words += words
        self.failed += failed
        speed = self._words / max(time.monotonic() - self._begin, 1e-9)
        detail = f"texts, {speed:,.0f} words/s, {self.failed:,} failed"
        self._bar.update(self._task, advance=texts, detail=detail)

    def died(self, reason: str) -> None:
        self._bar.console.print(f"A process {reason}; another takes its place.", soft_wrap=True)

    def shard(self, annotated: "AnnotatedShard") -> None:
        """Of a stream: stdout has the rows, so stderr gets the failures, a line each."""
        from ..annotation.output import json_line

        for failure in annotated.failed:
            sys.stderr.write(json_line(failure).decode())
        failed = len(annotated.failed)
        self.moved(len(annotated.rows) + failed, annotated.words, failed)
