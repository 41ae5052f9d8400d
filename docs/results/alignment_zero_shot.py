"""Zero-shot scores on aligned encoders: the free baseline beside a sweep, and the tables.

    dlfa sweep docs/results/aligned.cfg --out sweeps/aligned --store store --jobs 2 --keep-models
    python docs/results/alignment_zero_shot.py center sweeps/aligned docs/results/aligned.csv \\
        --store store
    python docs/results/alignment_zero_shot.py page docs/results/alignment.md

`center` takes the sweep's scores, and adds those of the pipelines on the bundled encoder with each
language's mean vector taken away. Means are over the texts that are scored, without their
annotation, and over those of English dev.
"""

import csv
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Annotated, Any

import typer
from alignment_methods import LANGUAGES
from rich.progress import track
from spacy.language import Language
from spacy.tokens import Doc

from dlfa_spacy.alignment.centring import center_languages
from dlfa_spacy.corpora.folder import LanguageFiles
from dlfa_spacy.corpora.loading import read_docs
from dlfa_spacy.evaluation.evaluate import evaluate_language
from dlfa_spacy.files.csv_table import write_csv
from dlfa_spacy.files.markdown import markdown_table, percent, points
from dlfa_spacy.files.markers import insert_between_markers
from dlfa_spacy.language import set_language
from dlfa_spacy.metrics.names import MAIN
from dlfa_spacy.parallel.naming import ENGLISH
from dlfa_spacy.pipeline.sources import open_pipeline
from dlfa_spacy.runs.plan import PLAN, read_plan
from dlfa_spacy.runs.prepare import make_runs
from dlfa_spacy.runs.run import score_rows
from dlfa_spacy.runs.settings import MODEL, DataFile, RunSettings
from dlfa_spacy.runs.table import COLUMNS, SQLITE, ResultsTable
from dlfa_spacy.statistics.significance import Scores, corrected, significance

PLAIN, CENTRED = "bundled", "bundled, centred"
ALIGNED = set(LANGUAGES.split(","))
METHODS = {"last": "last layer", "layer": "layer 8"}
METRICS = {task: MAIN[task] for task in ("pos", "ner")}

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def center(
    sweep: Annotated[Path, typer.Argument(help="The sweep's folder, its models kept.")],
    table: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    store: Annotated[Path | None, typer.Option(help="The sweep's, to encode nothing anew.")] = None,
) -> None:
    """Score centred pipelines, and write their scores beside those of the sweep."""
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in ResultsTable(sweep / SQLITE).rows()]
    runs = [
        run
        for run in make_runs(read_plan(sweep / PLAN), sweep)
        # Of the last layer: what it lacks is what alignment may bring.
        if (run.encoder, run.key["aggregator"]) == (PLAIN, "last")
    ]
    for run in track(runs, description="Centring", transient=True):
        nlp = open_pipeline(str(sweep / "runs" / run.name / MODEL), store)
        center_languages(nlp, unannotated(nlp, run))
        key = {**run.key, "encoder": CENTRED}
        rows += [{**key, **row} for test in run.tests for row in score(nlp, run, test)]
    rows = [row for row in rows if row["metric"] == METRICS[row["task"]]]
    rows.sort(key=lambda row: [str(row[name]) for name in COLUMNS])
    cells = [{name: "" if row[name] is None else row[name] for name in COLUMNS} for row in rows]
    write_csv(table, cells)


def unannotated(nlp: Language, run: RunSettings) -> Iterator[Doc]:
    """YIELDS (Doc): The texts that are scored, and of English those of dev alone."""
    for file_ in run.tests:
        if file_.language != ENGLISH or file_.split == "dev":
            for gold in read_docs(Path(file_.path), vocab=nlp.vocab, language=file_.language):
                words = [token.text for token in gold]
                doc = Doc(nlp.vocab, words=words, spaces=[bool(t.whitespace_) for t in gold])
                set_language(doc, file_.language)
                yield doc


def score(nlp: Language, run: RunSettings, test: DataFile) -> list[dict[str, Any]]:
    from dlfa_spacy.evaluation.tasks import pipeline_tasks

    files = LanguageFiles(test.language, test.split, [Path(test.path)])
    return score_rows(evaluate_language(nlp, files, pipeline_tasks(nlp)))


@app.command()
def page(path: Annotated[Path, typer.Argument(help="The page; the tables lie beside it.")]) -> None:
    """Write the tables between the markers of the page."""
    rows = read(path.with_name("aligned.csv"))
    insert_between_markers(path, zero_shot_tables(rows), "<!-- zero-shot -->")


Rows = list[dict[str, str]]


def read(table: Path) -> Rows:
    with table.open(encoding="utf-8", newline="") as file_:
        return list(csv.DictReader(file_))


def by_seed(rows: Rows, task: str, encoder: str, method: str) -> dict[int, dict[str, float]]:
    """RETURNS (Dict[int, Dict[str, float]]): The main score by seed and language, on test."""
    found: dict[int, dict[str, float]] = {}
    for row in rows:
        if (row["task"], row["encoder"], row["aggregator"]) == (task, encoder, method) and (
            row["metric"] == METRICS[task] and not is_dev(row)
        ):
            found.setdefault(int(row["seed"]), {})[row["language"]] = float(row["value"])
    return found


def is_dev(row: Mapping[str, str]) -> bool:
    return row["language"] == ENGLISH and row["split"] == "dev"


def mean(scores: Scores, languages: Iterable[str]) -> list[float]:
    """RETURNS (List[float]): The mean over languages of each seed."""
    names = list(languages)
    return [fmean(run[name] for name in names) for run in scores.values()] if names else []


def spread(values: list[float]) -> str:
    if not values:
        return "–"
    sd = f" ± {percent(stdev(values))}" if len(values) > 1 else ""
    return percent(fmean(values)) + sd


def zero_shot_tables(rows: Rows) -> str:
    """RETURNS (str): A table of each task and layer, every encoder against the bundled one."""
    parts = []
    for task, method in itertools.product(METRICS, METHODS):
        encoders = [
            name
            for name in dict.fromkeys([PLAIN, CENTRED, *(row["encoder"] for row in rows)])
            if by_seed(rows, task, name, method)
        ]
        if PLAIN not in encoders:
            continue
        plain = by_seed(rows, task, PLAIN, method)
        targets = sorted({name for run in plain.values() for name in run} - {ENGLISH})
        others = {name: by_seed(rows, task, name, method) for name in encoders if name != PLAIN}
        tested = {
            name: found
            for name, scores in others.items()
            if (found := significance(scores, plain, targets)) is not None
        }
        family = corrected(tested)
        table = []
        for name in encoders:
            scores = by_seed(rows, task, name, method)
            groups = (
                [ENGLISH],
                targets,
                [code for code in targets if code in ALIGNED],
                [code for code in targets if code not in ALIGNED],
            )
            cells = [name, *(spread(mean(scores, group)) for group in groups)]
            against = family.get(name)
            cells += (
                [points(against.difference), f"{against.p:.3f}", against.verdict]
                if against
                else ["", "", ""]
            )
            table.append(cells)
        parts.append(
            f"**{task}, {METHODS[method]}: {METRICS[task]}, {len(plain)} seeds, mean ± sd**\n"
        )
        header = ["encoder", "English", "targets", "aligned", "held back"]
        parts.append(markdown_table([*header, "targets: difference", "p (Holm)", "verdict"], table))
        held_back = [code for code in targets if code not in ALIGNED]
        parts.append(
            f"Targets: {', '.join(targets)}; held back: {', '.join(held_back) or 'none'}.\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    app()
