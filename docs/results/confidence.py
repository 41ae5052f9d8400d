"""Write the table of docs/confidence.md: python docs/results/confidence.py RUNS PAGE

RUNS holds CORPUS_uncalibrated and CORPUS_calibrated of `dlfa evaluate --calibration --out`.
"""

import json
import sys
from pathlib import Path
from statistics import fmean

from dlfa_spacy.files.markdown import markdown_table, percent
from dlfa_spacy.files.markers import insert_between_markers

HEADER = [
    "corpus", "languages", "en: right", "en: ECE before", "after",
    "others: right", "others: ECE before", "after", "others: right in the surest 80 %",
]  # fmt: skip


def read(path: Path) -> dict[str, dict[str, float]]:
    """RETURNS (Dict[str, Dict[str, float]]): By language, what was counted of the corpus's task."""
    results = json.loads((path / "scores.json").read_text(encoding="utf-8"))["languages"]
    return {
        code: next(iter(one["calibration"].values()))
        for code, one in results.items()
        if one.get("calibration")
    }


def table(runs: Path) -> str:
    """RETURNS (str): The table, a row for each corpus."""
    rows = []
    for path in sorted(runs.glob("*_calibrated")):
        name = path.name.removesuffix("_calibrated")
        after, before = read(path), read(runs / f"{name}_uncalibrated")
        others = [code for code in after if code != "en"]

        def mean(found: dict[str, dict[str, float]], key: str, codes: list[str] = others) -> str:
            return percent(fmean(found[code][key] for code in codes))

        kept = percent(fmean(1 - after[code]["risk"]["0.8"] for code in others))  # type: ignore[index]
        rows.append(
            [
                name,
                str(len(others)),
                percent(after["en"]["accuracy"]),
                percent(before["en"]["ece"]),
                percent(after["en"]["ece"]),
                mean(after, "accuracy"),
                mean(before, "ece"),
                mean(after, "ece"),
                kept,
            ]  # fmt: skip
        )
    return markdown_table(HEADER, rows)


if __name__ == "__main__":
    runs, page = Path(sys.argv[1]), Path(sys.argv[2])
    insert_between_markers(page, table(runs), "<!-- confidence -->")
