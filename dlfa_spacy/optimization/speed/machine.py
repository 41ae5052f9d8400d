"""What was measured on: processor, threads and versions; no name of a computer or a person."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ...encoder.run.bfloat16 import has_bfloat16

PACKAGES = ("torch", "transformers", "spacy", "spacy-transformers")
_CPUINFO = Path("/proc/cpuinfo")


def describe(threads: int, gpu_id: int = -1) -> str:
    """RETURNS (str): One line for the page."""
    versions = [f"{name} {found}" for name in PACKAGES if (found := _version(name))]
    parts = [
        f"{processor()}, {os.cpu_count()} cores, torch on {threads} thread(s)",
        *([_gpu(gpu_id)] if gpu_id >= 0 else []),
        f"Python {platform.python_version()}",
        *versions,
    ]
    return "; ".join(parts)


def processor() -> str:
    """RETURNS (str): Its name, and the instructions that torch uses: with ATEN_CPU_CAPABILITY and
    ONEDNN_MAX_CPU_ISA a processor passes for an older one."""
    return f"{_name()} ({_instructions()})"


def _name() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _instructions() -> str:
    import torch

    used = torch.backends.cpu.get_cpu_capability()
    # oneDNN, which multiplies bfloat16, can be held back alone.
    older = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    return used + (f", oneDNN {older}" if older else " and bfloat16" if has_bfloat16() else "")


def _gpu(gpu_id: int) -> str:
    import torch

    return str(torch.cuda.get_device_name(gpu_id))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
