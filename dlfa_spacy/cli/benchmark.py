"""`dlfa benchmark`: how fast and how large a pipeline is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import output, plain_errors, shown

if TYPE_CHECKING:
    from ..optimization.speed.own import Speed


def benchmark_cli(
    pipeline: Annotated[str, typer.Argument(help="Folder or package of a trained pipeline.")],
    texts: Annotated[
        Path | None,
        typer.Option(
            help="Texts to read: .txt with one text per line, or a corpus. Default: spaCy's own "
            "example sentences in some 50 languages."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON file.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 3,
    threads: Annotated[
        int, typer.Option(min=0, help="Threads of torch; 0: OMP_NUM_THREADS, or all cores.")
    ] = 0,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU; -1: the CPU.")] = -1,
) -> None:
    """Measure speed, memory and size of a pipeline, against its own bare encoder.

    The limit is the fastest way to run the encoder alone over the same wordpieces. It and the
    pipeline take turns, round after round; figures are medians, and hold for this machine only.

    [bold]Examples[/]

      [cyan]dlfa benchmark training/model-best[/]

      [cyan]dlfa benchmark xx_dlfa_ner --texts mails.txt --threads 2 --out speed.json[/]
    """
    with plain_errors():
        from dataclasses import asdict

        import spacy
        import srsly
        import torch

        from ..files.writing import write_text
        from ..optimization.speed.own import example_texts, measure_speed
        from ..optimization.texts import read_texts

        found = example_texts()
        if texts is not None:
            found = [doc.text for doc in read_texts(spacy.blank("xx"), texts)]
        speed = measure_speed(pipeline, found, rounds, threads or torch.get_num_threads(), gpu_id)
        _show(speed, len(found))
        if out is not None:
            write_text(out, srsly.json_dumps(asdict(speed), indent=2) + "\n")
            output().print(f"Wrote {shown(out)}", soft_wrap=True)


def _show(speed: "Speed", n_texts: int) -> None:
    from rich.table import Table

    table = Table(show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("words per second", f"{speed.words_per_second:,.0f}")
    if speed.limit is not None:
        way, limit = speed.limit
        table.add_row(f"bare encoder, {way}", f"{limit:,.0f}")
        table.add_row("share of that", f"{speed.share:.2f}")
    for name, seconds in speed.load.items():
        table.add_row(f"load, {name}", f"{seconds:.2f} s")
    for name, size in speed.memory.items():
        if size:
            table.add_row(f"memory, {name}", f"{size / 1e6:,.0f} MB")
    table.add_row("on disk", f"{speed.size / 1e6:,.0f} MB")
    whole = sum(speed.components.values())
    for name, seconds in speed.components.items():
        table.add_row(f"time in {name}", f"{100 * seconds / whole:.0f} %")
    output().print(table)
    output().print(
        f"{n_texts:,} texts, {speed.words:,} words; {speed.machine}", highlight=False, style="dim"
    )
