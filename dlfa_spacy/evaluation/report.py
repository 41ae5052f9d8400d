"""Several runs in one report: Markdown, CSV and a page to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ..corpora.files import write_text
from .compare import Comparison, Statistic, compare
from .names import task_of
from .readme import insert_between_markers
from .report_html import to_html
from .runs import Run, read_runs
from .tables import markdown_table, percent


def _with_sd(value: Statistic | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    mean = f"{round(100 * value.mean, 1) + 0.0:+.1f}" if signed else percent(value.mean)
    mark = "≈ " if signed and value.within_noise and value.n > 1 else ""
    return mark + mean + (f" ± {percent(value.sd)}" if value.sd is not None else "")


def comparison_markdown(comparison: Comparison) -> str:
    """Make the Markdown of one table: method, mean, gap, differences, languages.

    comparison (Comparison): The table.
    RETURNS (str): A heading, the table, and what a reader must know about it.
    """
    source = comparison.setting.source
    with_gap = source in comparison.languages
    with_baseline = any(row.to_baseline for row in comparison.rows)
    with_control = any(row.to_control for row in comparison.rows)
    header = ["method", "seeds", "targets' mean"]
    header += [f"gap to {source}"] * with_gap
    header += ["to last layer"] * with_baseline + ["to control"] * with_control
    header += comparison.languages
    rows = []
    for row in comparison.rows:
        cells = [row.variant, str(row.targets.n), _with_sd(row.targets)]
        cells += [percent(row.gap.mean if row.gap else None)] * with_gap
        cells += [_with_sd(row.to_baseline, signed=True)] * with_baseline
        cells += [_with_sd(row.to_control, signed=True)] * with_control
        cells += [percent(row.languages[code].mean) for code in comparison.languages]
        rows.append(cells)
    notes = " ".join(comparison.statements())
    return f"**{comparison.title}**\n\n{markdown_table(header, rows)}\n{notes}\n"


def report_csv(runs: Sequence[Run]) -> str:
    """Make the CSV of all runs: one line a run, language and metric, values from 0 to 1.

    runs (Sequence[Run]): The runs.
    RETURNS (str): CSV.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        "run task aggregator seed language split tokens eval_data encoder train_data metric value"
        "".split()
    )
    for run in runs:
        setting = run.setting
        for metric, by_language in run.scores.items():
            for code, value in by_language.items():
                writer.writerow(
                    [
                        run.name,
                        task_of(metric),
                        run.variant,
                        "" if run.seed is None else run.seed,
                        code,
                        run.splits[code],
                        setting.tokens,
                        setting.eval_data,
                        setting.encoder or "",
                        setting.train_data or "",
                        metric,
                        repr(value),
                    ]
                )
    return buffer.getvalue()


def report_markdown(comparisons: Sequence[Comparison], *, title: str) -> str:
    """Make the Markdown of all tables.

    comparisons (Sequence[Comparison]): The tables.
    title (str): Heading.
    RETURNS (str): Markdown.
    """
    return "\n".join([f"# {title}\n", *(comparison_markdown(c) for c in comparisons)])


def write_report(
    runs_folder: Path,
    out: Path,
    *,
    title: str = "Zero-shot scores",
    readme: Path | None = None,
    figures: bool = True,
) -> list[Path]:
    """Collect the scores.json files below a folder and write report.html, .md and .csv.

    runs_folder (Path): Where the runs lie.
    out (Path): Folder of the report.
    title (str): Heading.
    readme (Optional[Path]): A Markdown file that gets the tables of the main metrics between its
        two markers `<!-- dlfa:scores -->`.
    figures (bool): Whether the page has figures (needs matplotlib).
    RETURNS (List[Path]): The files written.
    RAISES (ValueError): If there is nothing to report, a scores.json is damaged, or the README has
        no markers. Nothing is written then.
    """
    runs = read_runs(runs_folder)
    comparisons = compare(runs)
    content = {
        out / "report.csv": report_csv(runs),
        out / "report.md": report_markdown(comparisons, title=title),
        out / "report.html": to_html(comparisons, runs, title=title, figures=figures),
    }
    written = list(content)
    if readme is not None:
        main = [comparison_markdown(c) for c in comparisons if c.is_main]
        insert_between_markers(readme, "\n".join(main))
        written.append(readme)
    for path, text in content.items():
        write_text(path, text)
    return written
