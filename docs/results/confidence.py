"""Write the tables of docs/confidence.md: python docs/results/confidence.py RUNS PAGE

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


def by_language(runs: Path) -> str:
    """RETURNS (str): The error before and after, a row for each language and a column a corpus."""
    cells: dict[str, dict[str, str]] = {}
    names = [path.name.removesuffix("_calibrated") for path in sorted(runs.glob("*_calibrated"))]
    for name in names:
        before = read(runs / f"{name}_uncalibrated")
        for code, after in read(runs / f"{name}_calibrated").items():
            found = f"{percent(before[code]['ece'])} → {percent(after['ece'])}"
            cells.setdefault(code, {})[name] = found
    order = sorted(cells, key=lambda code: (code != "en", code))
    rows = [[code, *(cells[code].get(name, "") for name in names)] for code in order]
    return markdown_table(["language", *names], rows)


if __name__ == "__main__":
    runs, page = Path(sys.argv[1]), Path(sys.argv[2])
    insert_between_markers(page, table(runs), "<!-- confidence -->")
    insert_between_markers(page, by_language(runs), "<!-- confidence-languages -->")
