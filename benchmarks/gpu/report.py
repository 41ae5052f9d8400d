"""What was found, as one JSON file that is written anew after each check."""

from __future__ import annotations

import json
import platform
import time
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dlfa_spacy.files.writing import write_text

OK, FAILED, SKIPPED = "ok", "failed", "skipped"
PACKAGES = (
    *("torch", "triton", "cupy-cuda12x", "cupy-cuda13x", "numpy", "thinc", "spacy"),
    *("spacy-transformers", "transformers", "tokenizers", "dlfa-spacy"),
)
# Of what a failure says, the end.
WHY = 1_500


@dataclass
class Check:
    """One check.

    name (str): Of it.
    status (str): `OK`, `FAILED` or `SKIPPED`.
    seconds (float): How long it took.
    why (str): Why it failed or was skipped.
    """

    name: str
    status: str
    seconds: float
    why: str = ""

    def __post_init__(self) -> None:
        self.why, self.seconds = self.why[-WHY:], round(self.seconds, 2)


@dataclass
class Report:
    """All of it.

    path (Path): The file.
    device (str): "cuda" or "cpu".
    """

    path: Path
    device: str
    machine: dict[str, Any] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def add(self, checks: list[Check], rows: list[dict[str, Any]] | None = None) -> None:
        """Write what has been found so far, so that whatever ends the process costs one check."""
        self.checks += checks
        self.rows += rows or []
        content = {
            "device": self.device,
            "machine": self.machine,
            "versions": versions(),
            "failed": sum(check.status == FAILED for check in self.checks),
            "seconds": round(self.seconds, 1),
            "checks": [asdict(check) for check in self.checks],
            "rows": self.rows,
        }
        write_text(self.path, json.dumps(content, indent=1) + "\n")

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.started


def versions() -> dict[str, str]:
    """RETURNS (Dict[str, str]): Of Python and of the packages that are there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
