"""Measures that need a process of their own: memory, import and load.

`python -m dlfa_spacy.optimization.speed.child MODULE` reads settings as JSON from stdin, calls
`in_child` of that module, and prints what it returns as JSON on the last line of stdout.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from typing import Any

STARTED = time.perf_counter()


def run_child(module: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Run the part of a measure that needs a new process.

    module (str): Full name of a module with a function `in_child`.
    settings (Dict[str, Any]): What it takes, as JSON can say it. "started" is added: when the
        process began, by its `time.perf_counter`.
    RETURNS (Dict[str, Any]): What it returns.
    RAISES (ValueError): It failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", __name__, module],
        input=json.dumps(settings),
        capture_output=True,
        encoding="utf-8",
        check=False,
        # It finds what this process finds.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ValueError(
            f'The part "{module}" of the benchmark failed in its process: {reason[0]} Expected it '
            "to finish. Fix: if it was killed, the machine needs more memory; else report it."
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def use_device(settings: dict[str, Any]) -> None:
    """Set the device and the threads of this process, `gpu_id` and `threads` of the settings."""
    import spacy
    import torch

    torch.set_num_threads(settings["threads"])
    if settings["gpu_id"] >= 0:
        spacy.require_gpu(settings["gpu_id"])


def load_pipeline(settings: dict[str, Any]) -> Any:
    """RETURNS (Language): The saved pipeline, with the device and threads of the settings."""
    import spacy

    use_device(settings)
    return spacy.load(settings["pipeline"])


def main() -> None:
    settings = {**json.loads(sys.stdin.read()), "started": STARTED}
    module = importlib.import_module(sys.argv[1])
    print("\n" + json.dumps(module.in_child(settings)))


if __name__ == "__main__":
    main()
