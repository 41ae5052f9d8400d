"""Put what `benchmarks/gpu_check.sh` wrote on a page: `python -m benchmarks.gpu.page gpu.json`."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from dlfa_spacy.files.markdown import markdown_table
from dlfa_spacy.files.markers import insert_between_markers

MARKER = "<!-- dlfa:gpu -->"
HEADER = ["what", "words/s", "of the bare limit", "ms"]


def main(
    report: Annotated[Path, typer.Argument(help="What the script wrote.")],
    page: Annotated[
        Path, typer.Option(help="Put the table between the markers <!-- dlfa:gpu --> there.")
    ] = Path("docs/gpu.md"),
) -> None:
    insert_between_markers(page, table(json.loads(report.read_text(encoding="utf-8"))), MARKER)


def table(report: dict[str, Any]) -> str:
    """RETURNS (str): Rows of the benchmarks, what was run on, and which checks did not succeed."""
    rows = [
        [
            row["row"],
            _number(row, "words_per_second", ",.0f"),
            _number(row, "of_the_bare_limit", ".2f"),
            _number(row, "milliseconds", ",.0f"),
        ]
        for row in report["rows"]
    ]
    counts = Counter(check["status"] for check in report["checks"])
    said = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    versions = "; ".join(f"{name} {version}" for name, version in report["versions"].items())
    machine = report["machine"].get("gpu") or report["machine"].get("machine", report["device"])
    lines = [markdown_table(HEADER, rows), f"{machine}; {versions}. Checks: {said}."]
    for check in report["checks"]:
        if check["status"] != "ok":
            why = (check["why"].splitlines() or [""])[0]
            lines += ["", f"- {check['name']}: {check['status']}. {why}"]
    return "\n".join(lines)


def _number(row: dict[str, Any], key: str, shape: str) -> str:
    return format(row[key], shape) if key in row else ""


if __name__ == "__main__":
    typer.run(main)
