"""Runs test files, each in a process: after some errors a GPU answers its process no more."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from .report import FAILED, OK, SKIPPED, Check

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/encoder/run/test_attention.py",
    "tests/encoder/test_devices.py",
    "tests/annotation/test_annotate_devices.py",
    "tests/runs/test_sweep.py",
)
# Those that are the same tests on a CPU, and take seconds there.
CPU_TESTS = TESTS[:3]


def run_tests(path: str, device: str, timeout: float) -> list[Check]:
    """Run the tests of a file that are for a device.

    path (str): The file, from the root of the repository.
    device (str): "cuda" or "cpu".
    timeout (float): Seconds after which it counts as failed.
    RETURNS (List[Check]): One for each test.
    """
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.xml"
        command = [sys.executable, "-m", "pytest", path, f"--junitxml={results}"]
        command += ["-m", "gpu" if device == "cuda" else "not gpu", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=timeout, cwd=ROOT
            )
            said = done.stdout + done.stderr
        except subprocess.TimeoutExpired:
            said = f"not done after {timeout:.0f} seconds"
        found = list(_read(results)) if results.is_file() else []
    # Without a test there is no file of results, or an empty one.
    return found or [Check(path, FAILED, time.monotonic() - begin, said)]


def _read(results: Path) -> Iterator[Check]:
    for case in ElementTree.parse(results).iter("testcase"):
        status, why = OK, ""
        for kind, name in (("skipped", SKIPPED), ("failure", FAILED), ("error", FAILED)):
            told = case.find(kind)
            if told is not None:
                status, why = name, f"{told.get('message') or ''}\n{told.text or ''}".strip()
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
        yield Check(name, status, float(case.get("time") or 0), why)
