"""What was measured on: processor, threads and versions; no name of a computer or a person."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("torch", "transformers", "spacy", "spacy-transformers")
_CPUINFO = Path("/proc/cpuinfo")


def describe(threads: int, gpu_id: int = -1) -> str:
    """RETURNS (str): One line for the page."""
    versions = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    parts = [
        f"{_processor()}, {os.cpu_count()} cores, torch on {threads} thread(s)",
        *([_gpu(gpu_id)] if gpu_id >= 0 else []),
        f"Python {platform.python_version()}",
        *versions,
    ]
    return "; ".join(parts)


def _processor() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu(gpu_id: int) -> str:
    import torch

    return str(torch.cuda.get_device_name(gpu_id))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
