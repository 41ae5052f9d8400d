"""How much memory this process has, and had at its peak."""

from __future__ import annotations

import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_REFERENCES = Path("/proc/self/clear_refs")


def resident() -> int:
    """RETURNS (int): Bytes of memory that the process has now; 0 where the system does not tell."""
    return _status("VmRSS")


def peak() -> int:
    """RETURNS (int): The most since `reset_peak`, or since the start where that is not possible;
    0 on Windows, which does not tell."""
    found = _status("VmHWM")
    if found or sys.platform == "win32":
        return found
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(used if sys.platform == "darwin" else used * 1024)


def reset_peak() -> None:
    """Begin a new peak at what the process has now. Linux only."""
    if _REFERENCES.exists():
        _REFERENCES.write_text("5", encoding="ascii")


def _status(key: str) -> int:
    if not _STATUS.is_file():
        return 0
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0
