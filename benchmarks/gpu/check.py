"""Run everything that needs a GPU, and write one JSON: see `benchmarks/gpu_check.sh`.

python -m benchmarks.gpu.check --out gpu.json
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from .report import FAILED, OK, Check, Report
from .suite import CPU_TESTS, TESTS, run_tests

ROWS = ("encoder", "store", "pipeline")
# Seconds of one step, at the most.
LONGEST = 170.0
# How long it may take -> its checks and rows
Step = Callable[[float], tuple[list[Check], list[dict[str, Any]]]]


def main(
    out: Annotated[Path, typer.Option(help="JSON file to write.")] = Path("gpu.json"),
    device: Annotated[str, typer.Option(help="cuda; or cpu, to try this command.")] = "cuda",
    shape: Annotated[str, typer.Option(help="Encoder that is timed: base or tiny.")] = "base",
    tests: Annotated[
        str | None, typer.Option(help="Test files, with commas; by default all for the device.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="When to begin nothing more.")] = 450.0,
) -> None:
    """Check, and end with 1 if anything failed."""
    report = Report(out, device)
    begin = time.monotonic()
    try:
        report.machine = machine(device)
        report.add([Check("the device", OK, time.monotonic() - begin)])
    except Exception as error:
        # Whatever a library says of a device that it cannot use.
        why = f"{type(error).__name__}: {error}"
        report.add([Check("the device", FAILED, time.monotonic() - begin, why)])
    known = TESTS if device == "cuda" else CPU_TESTS
    paths = known if tests is None else [path for path in tests.split(",") if path]
    # Rows first: a test that hangs takes what is left.
    steps: list[tuple[str, Step]] = [
        *((f"rows: {kind}", functools.partial(_rows, kind, device, shape)) for kind in ROWS),
        *((path, functools.partial(_tests, path, device)) for path in paths),
    ]
    for name, step in steps:
        limit = _limit(report, seconds)
        late = [Check(name, FAILED, 0.0, f"not begun: {seconds:.0f} seconds are over")]
        report.add(*(step(limit) if limit > 0 else (late, [])))
        print(f"{report.seconds:5.0f} s  {name}", flush=True)
    failed = [check.name for check in report.checks if check.status == FAILED]
    print(f"{out}: {len(report.checks)} checks, {len(failed)} failed, {report.seconds:.0f} s")
    raise typer.Exit(1 if failed else 0)


def machine(device: str) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): What the device is, and which paths of ours it takes.
    RAISES (RuntimeError): Torch cannot compute on it."""
    import torch
    from thinc.util import has_cupy_gpu

    from dlfa_spacy.encoder.run.attention import attends
    from dlfa_spacy.encoder.run.bfloat16 import has_bfloat16
    from dlfa_spacy.optimization.speed.machine import describe

    where = torch.device("cuda", 0) if device == "cuda" else torch.device("cpu")
    torch.ones(2, device=where).sum().item()
    found: dict[str, Any] = {"machine": describe(torch.get_num_threads())}
    if device == "cuda":
        found |= {"gpu": torch.cuda.get_device_name(where), "cuda": torch.version.cuda}
        found["capability"] = list(torch.cuda.get_device_capability(where))
    return {
        **found,
        "bfloat16": has_bfloat16(where.type),
        "packed": attends(where),
        "thinc": has_cupy_gpu if device == "cuda" else True,
    }


def _limit(report: Report, seconds: float) -> float:
    return min(LONGEST, seconds - report.seconds)


def _tests(path: str, device: str, timeout: float) -> tuple[list[Check], list[dict[str, Any]]]:
    return run_tests(path, device, timeout), []


def _rows(
    kind: str, device: str, shape: str, timeout: float
) -> tuple[list[Check], list[dict[str, Any]]]:
    """RETURNS (Tuple[List[Check], List[Dict]]): Whether rows could be measured, and the rows."""
    begin, name = time.monotonic(), f"rows: {kind}"
    command = [sys.executable, "-m", f"{__package__}.rows", kind]
    command += ["--device", device, "--shape", shape]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        taken = time.monotonic() - begin
        if done.returncode == 0:
            rows = json.loads(done.stdout.splitlines()[-1])
            return [Check(name, OK, taken)], rows
        return [Check(name, FAILED, taken, done.stdout + done.stderr)], []
    except subprocess.TimeoutExpired:
        why = f"not done after {timeout:.0f} seconds"
        return [Check(name, FAILED, time.monotonic() - begin, why)], []


if __name__ == "__main__":
    typer.run(main)
