"""Several runs in one report: Markdown, CSV and a page to read."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ..files.markdown import markdown_table, percent, points
from ..files.markers import insert_between_markers
from ..files.writing import write_text
from ..metrics.names import task_of
from .compare import compare
from .comparison import Comparison, Statistic
from .curves import Curves, curves, curves_markdown
from .few_shot import few_shot_curves
from .html import p_value, to_html
from .model_card import model_card
from .published import beside_markdown, beside_published
from .scored_runs import Run, read_runs
from .sweep_runs import read_sweeps

# Languages in a Markdown table.
MAX_COLUMNS = 16


def _with_sd(value: Statistic | None, *, signed: bool = False) -> str:
    if value is None:
        return "–"
    mean = points(value.mean) if signed else percent(value.mean)
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
    header += ["to last layer"] * with_baseline + ["p (Holm)"] * comparison.tested
    header += ["to control"] * with_control
    # More of them than a page is wide stand in the CSV and on the HTML page.
    languages = comparison.languages if len(comparison.languages) <= MAX_COLUMNS else []
    if not languages and with_gap:
        languages = [source]
    header += languages
    rows = []
    for row in comparison.rows:
        cells = [row.variant, str(row.targets.n), _with_sd(row.targets)]
        cells += [percent(row.gap.mean if row.gap else None)] * with_gap
        cells += [_with_sd(row.to_baseline, signed=True)] * with_baseline
        against = row.against_baseline
        cells += [p_value(against.p) if against else "–"] * comparison.tested
        cells += [_with_sd(row.to_control, signed=True)] * with_control
        cells += [percent(row.languages[code].mean) for code in languages]
        rows.append(cells)
    short = comparison.in_short() if comparison.tested else ""
    notes = " ".join([short, *comparison.statements()] if short else comparison.statements())
    if comparison.tested:
        notes += " p is the larger one of two tests, see docs/statistics.md."
    table = f"**{comparison.title}**\n\n{markdown_table(header, rows)}\n{notes}\n"
    return table + ("" if languages == comparison.languages else _groups_markdown(comparison))


def _groups_markdown(comparison: Comparison) -> str:
    """RETURNS (str): The means over scripts and over families, in place of many languages."""
    shown = [row for row in comparison.rows if not row.note]
    tables = []
    for way, groups in comparison.groups.items():
        if way == "paper":
            continue
        header = [way, "languages", *(row.variant for row in shown)]
        lines = [
            [name, " ".join(codes), *(percent(row.groups[way][name].mean) for row in shown)]
            for name, codes in groups.items()
        ]
        tables.append(f"\n{markdown_table(header, lines)}")
    return "".join(tables)


def report_csv(runs: Sequence[Run]) -> str:
    """Make the CSV of all runs: one line per run, language and metric, values from 0 to 1.

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


def report_markdown(
    comparisons: Sequence[Comparison], lines: Sequence[Curves] = (), *, title: str
) -> str:
    """Make the Markdown of all tables.

    comparisons (Sequence[Comparison]): The tables.
    lines (Sequence[Curves]): The curves, which come first.
    title (str): Heading.
    RETURNS (str): Markdown.
    """
    parts = [f"# {title}\n", *(curves_markdown(made) for made in lines)]
    parts += [comparison_markdown(c) for c in comparisons]
    beside = beside_published(comparisons)
    if beside is not None:
        parts.append(beside_markdown(beside))
    return "\n".join(parts)


def write_report(
    source: Path,
    out: Path,
    *,
    title: str = "Zero-shot scores",
    readme: Path | None = None,
    card: Path | None = None,
    figures: bool = True,
    sentences: bool = False,
    language: str = "en",
) -> list[Path]:
    """Collect the runs of a sweep or of single evaluations and write report.html, .md and .csv.

    source (Path): A folder with scores.json files below it, or with sweeps; or the folder,
        `results.sqlite` or CSV file of a sweep. What has a table of `dlfa train-on --curve` is a
        report of those tables alone.
    out (Path): Folder of the report.
    title (str): Heading.
    readme (Optional[Path]): A Markdown file that gets the tables of the main metrics between its
        two markers `<!-- dlfa:scores -->`; of runs that differ in regime or texts, their curves.
    card (Optional[Path]): A model card to write: what was trained on what, how it transfers.
    figures (bool): Whether the page has figures (needs matplotlib).
    sentences (bool): Whether the page shows the texts that `dlfa evaluate --examples` kept. Only
        for corpora that may be passed on.
    language (str): The language trained on, where a sweep's CSV file does not say.
    RETURNS (List[Path]): The files written.
    RAISES (ValueError): If there is nothing to report, a scores.json is damaged, or the README has
        no markers. Nothing is written then.
    """
    lines: Sequence[Curves] = few_shot_curves(source)
    runs = [] if lines else read_sweeps(source, language) or read_runs(source)
    comparisons = compare(runs) if runs else []
    lines = lines or curves(comparisons)
    if card is not None and not runs:
        raise ValueError(
            f"--card: found the table of dlfa train-on --curve in {source}, expected scores of a "
            "sweep or of single evaluations. Fix: no --card."
        )
    content = {
        **({out / "report.csv": report_csv(runs)} if runs else {}),
        out / "report.md": report_markdown(comparisons, lines, title=title),
        out / "report.html": to_html(
            comparisons, runs, lines, title=title, figures=figures, with_sentences=sentences
        ),
    }
    if card is not None:
        content[card] = model_card(comparisons, runs, title=title)
    written = list(content)
    if readme is not None:
        main = [curves_markdown(made) for made in lines]
        # Each of its columns is a table of its own: those are for the page.
        main = main or [comparison_markdown(c) for c in comparisons if c.is_main]
        insert_between_markers(readme, "\n".join(main))
        written.append(readme)
    for path, text in content.items():
        write_text(path, text)
    return written
