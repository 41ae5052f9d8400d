"""What putting texts together brings `dlfa serve`: texts per second and waiting times.

    python -m benchmarks.serve PIPELINE --page docs/serve.md

Two servers, one that annotates texts that arrive together at once and one that annotates them one
by one, and clients that each send the next text when they have the answer to the last. The clients
are in this process and take their part of the processor.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Annotated
from urllib.parse import urlsplit

import numpy
import torch
import typer

from benchmarks.annotate import read_texts
from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.optimization.speed.machine import describe

MARKER = "<!-- dlfa:serve-speed -->"
ONE_BY_ONE, TOGETHER = "one by one", "together"
MODES = {ONE_BY_ONE: ["--batch-texts", "1"], TOGETHER: []}


def main(
    model: Annotated[str, typer.Argument(help="Folder or package of a pipeline.")] = "xx_dlfa_ner",
    corpus: Annotated[Path, typer.Option(help="Folder of <lang>/test.conllu.")] = Path(
        "assets/corpus"
    ),
    clients: Annotated[str, typer.Option(help="Clients at once, a pair of rows each.")] = "1,8,64",
    seconds: Annotated[float, typer.Option(help="Of each of them in a round.")] = 4.0,
    rounds: Annotated[int, typer.Option(help="Interleaved rounds; one more warms up.")] = 7,
    page: Annotated[
        Path | None, typer.Option(help=f"Put the table between the markers {MARKER} there.")
    ] = None,
) -> None:
    """Measure, print, and put the table on a page."""
    texts = read_texts(corpus, 1_000)
    numbers = [int(number) for number in clients.split(",")]
    speeds: dict[tuple[int, str], list[float]] = {}
    waits: dict[tuple[int, str], list[float]] = {}
    with ExitStack() as stack:
        addresses = {mode: stack.enter_context(server(model, o)) for mode, o in MODES.items()}
        for turn, number, mode in itertools.product(range(rounds + 1), numbers, MODES):
            begin = time.perf_counter()
            found = asyncio.run(load(addresses[mode], texts, number, seconds))
            if turn:
                taken = time.perf_counter() - begin
                speeds.setdefault((number, mode), []).append(len(found) / taken)
                waits.setdefault((number, mode), []).extend(found)
    rows = []
    for number, mode in itertools.product(numbers, MODES):
        own, other = speeds[number, mode], speeds[number, ONE_BY_ONE]
        ratio = median(a / b for a, b in zip(own, other, strict=True))
        p50, p99 = 1000 * numpy.percentile(waits[number, mode], [50, 99])
        rows.append(
            [f"{number}, {mode}", f"{median(own):,.1f}"]
            + ["" if mode == ONE_BY_ONE else f"{ratio:.2f}", f"{p50:,.0f}", f"{p99:,.0f}"]
        )
    words = sum(len(text.split()) for text in texts) / len(texts)
    note = (
        f"Sentences of the embedded corpus, {words:.0f} words between spaces on average; {rounds} "
        f"interleaved rounds of {seconds:g} s; medians, the ratio that of each round. "
        f"{describe(torch.get_num_threads())}."
    )
    header = ["clients", "texts/s", "ratio", "half within, ms", "99 % within, ms"]
    table = f"{markdown_table(header, rows)}\n{note}"
    typer.echo(table)
    if page is not None:
        insert_between_markers(page, table, MARKER)


@contextmanager
def server(model: str, options: Sequence[str]) -> Iterator[str]:
    """YIELDS (str): The address of a server in a process of its own."""
    command = [sys.executable, "-m", "dlfa_spacy.cli", "serve", model, "--port", "0", "--rate", "0"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline().split()
        if not line:
            raise RuntimeError("The server did not start.")
        yield line[0]
    finally:
        process.terminate()
        process.wait()


async def load(address: str, texts: Sequence[str], clients: int, seconds: float) -> list[float]:
    """RETURNS (List[float]): How long each request took, of all clients."""
    until = time.perf_counter() + seconds
    waits: list[float] = []
    order = itertools.cycle(texts)

    async def client() -> None:
        place = urlsplit(address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while time.perf_counter() < until:
            begin = time.perf_counter()
            await ask(reader, writer, next(order))
            waits.append(time.perf_counter() - begin)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return waits


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str) -> None:
    """Send a text, and read the answer."""
    body = json.dumps({"text": text}).encode()
    writer.write(
        b"POST /api/text HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    if " 200 " not in head.split("\r\n")[0]:
        raise RuntimeError(head.split("\r\n")[0])
    await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))


if __name__ == "__main__":
    typer.run(main)
