"""The report of an alignment: tables as CSV and Markdown, and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...alignment.methods.language_maps import FILE, LanguageMaps
from ...files.csv_table import write_csv
from ...files.markdown import markdown_table, percent, points
from ...files.writing import write_text
from ...parallel.text import ParallelText
from ...pipeline.sources import open_source
from .measure import MeasureOptions, Measures, Row, measure
from .zero_shot import AFTER, BEFORE, gains

LEVELS = ("sentences", "words")


@dataclass
class Report:
    """What alignment changed.

    title (str): Heading.
    retrieval, cka (List[Dict[str, Any]]): Rows of `Measures`, of both encoders.
    zero_shot (List[Dict[str, Any]]): Rows of `zero_shot_rows`; none if nothing was fine-tuned.
    source (str): The language that was trained on there.
    """

    title: str
    retrieval: list[Row]
    cka: list[Row]
    zero_shot: list[Row] = field(default_factory=list)
    source: str = "en"


def compare(
    before: str,
    after: str,
    texts: Mapping[str, ParallelText],
    options: MeasureOptions = MeasureOptions(),  # noqa: B008  (frozen)
) -> Measures:
    """Measure an encoder before and after alignment.

    before, after (str): Folder or Hub name of the two encoders. Maps in the folder (`clbt`) are
        applied, and then the last layer alone is measured after.
    texts (Mapping[str, ParallelText]): Language -> pairs.
    options (MeasureOptions): How.
    RETURNS (Measures): The rows of both.
    """
    maps = LanguageMaps.load(after) if (Path(after) / FILE).is_file() else None
    found = measure(open_source(before), texts, BEFORE, options=options)
    new = measure(open_source(after), texts, AFTER, maps, options)
    return Measures(found.retrieval + new.retrieval, found.cka + new.cka)


def summary(rows: Sequence[Row], level: str, layer: int | None = None) -> dict[str, Row]:
    """Retrieval in one layer, by language.

    rows (Sequence[Dict[str, Any]]): `Measures.retrieval` of both encoders.
    level (str): "sentences" or "words".
    layer (Optional[int]): Which; the last one by default.
    RETURNS (Dict[str, Dict[str, Any]]): Language, and "mean" -> n, before, before_centred, after
        and after_centred: accuracy by CSLS, the mean of both directions.
    """
    rows = [row for row in rows if row["level"] == level]
    if not rows:
        return {}
    layer = max(row["layer"] for row in rows) if layer is None else layer
    found: dict[str, Row] = {}
    for row in rows:
        if row["layer"] == layer:
            name = row["encoder"] + ("_centred" if row["centred"] else "")
            own = found.setdefault(row["language"], {"n": row["n"]})
            own[name] = (row["csls_to_en"] + row["csls_from_en"]) / 2
    names = [name for name in next(iter(found.values())) if name != "n"]
    mean = {name: sum(own[name] for own in found.values()) / len(found) for name in names}
    return {**found, "mean": {"n": "", **mean}}


def write_report(report: Report, folder: Path, *, plot: bool = True) -> list[Path]:
    """Write the files of a report.

    report (Report): The rows.
    folder (Path): For `retrieval.csv`, `cka.csv`, `zero_shot.csv`, `report.md`, `retrieval.svg`.
    plot (bool): Draw plots too (matplotlib).
    RETURNS (List[Path]): The files.
    """
    paths = [write_csv(folder / "retrieval.csv", report.retrieval)]
    if report.cka:
        paths.append(write_csv(folder / "cka.csv", report.cka))
    if report.zero_shot:
        paths.append(write_csv(folder / "zero_shot.csv", report.zero_shot))
    write_text(folder / "report.md", to_markdown(report))
    paths.append(folder / "report.md")
    if plot:
        from .. import plots

        paths.append(plots.save(_figure(report), folder / "retrieval.svg"))
    return paths


def to_markdown(report: Report) -> str:
    """RETURNS (str): The page, its tables in percent."""
    parts = [f"# {report.title}\n"]
    for level in LEVELS:
        found = summary(report.retrieval, level)
        if found:
            parts.append(
                f"## Retrieval of {level}\n\n"
                "Share of translations found by CSLS in the last layer, mean of both directions. "
                "Centered: each language's mean vector is subtracted, which is free.\n\n"
                + markdown_table(
                    ["language", "n", "before", "before, centred", "after", "after, centred"],
                    [
                        [language, str(row["n"]), *(_cell(row.get(name)) for name in _NAMES)]
                        for language, row in found.items()
                    ],
                )
            )
    parts += _layers(report)
    parts += _zero_shot(report)
    return "\n".join(parts)


_NAMES = (BEFORE, f"{BEFORE}_centred", AFTER, f"{AFTER}_centred")


def _layers(report: Report) -> list[str]:
    layers = sorted({row["layer"] for row in report.retrieval})
    rows = []
    for layer in layers:
        cells = [str(layer)]
        for level in LEVELS:
            mean = summary(report.retrieval, level, layer).get("mean", {})
            cells += [_cell(mean.get(name)) for name in (BEFORE, AFTER)]
        for name in (BEFORE, AFTER):
            values = [
                row["cka"] for row in report.cka if (row["encoder"], row["layer"]) == (name, layer)
            ]
            cells.append(f"{sum(values) / len(values):.3f}" if values else "–")
        rows.append(cells)
    header = ["layer", "sentences before", "after", "words before", "after", "CKA before", "after"]
    return [
        "## Layers\n\nMeans over the languages: retrieval as above, and CKA with English (linear, "
        "debiased).\n\n" + markdown_table(header, rows)
    ]


def _zero_shot(report: Report) -> list[str]:
    parts = []
    found = gains(report.zero_shot, report.source)
    for task, method in dict.fromkeys((task, method) for task, method, _ in found):
        rows = [
            [language, percent(sides[BEFORE]), percent(sides[AFTER]), points(_gain(sides))]
            for (t, m, language), sides in found.items()
            if (t, m) == (task, method)
        ]
        seeds = len({row["seed"] for row in report.zero_shot if row["task"] == task})
        metric = next(row["metric"] for row in report.zero_shot if row["task"] == task)
        parts.append(
            f"## Zero-shot: {task}, {method}\n\n{metric}, fine-tuned on {report.source}, "
            f"seeds: {seeds}.\n\n"
            + markdown_table(["language", "before", "after", "difference"], rows)
        )
    return parts


def _gain(sides: Mapping[str, float]) -> float:
    return sides[AFTER] - sides[BEFORE]


def _cell(value: Any) -> str:
    return percent(value) if isinstance(value, float) else "–"


def _figure(report: Report) -> Any:
    from .. import plots

    lines: dict[str, dict[int, float]] = {}
    for layer in sorted({row["layer"] for row in report.retrieval}):
        mean = summary(report.retrieval, "sentences", layer)["mean"]
        for name in _NAMES[:3]:
            if name in mean:
                lines.setdefault(name.replace("_", ", "), {})[layer] = mean[name]
    after = {AFTER: lines.pop(AFTER)}
    label = "sentence retrieval, CSLS, both directions"
    return plots.curves(after, title=report.title, label=label, controls=lines)
