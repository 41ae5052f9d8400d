"""`dlfa align`: cross-lingual training of an encoder, before anything is fine-tuned on it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import comma_list, output, plain_errors, progress, shown

if TYPE_CHECKING:
    from ..alignment.align import Alignment
    from ..report.aligned.run import ReportSettings
    from ..runs.plan import Plan


def align_cli(
    method: Annotated[
        str,
        typer.Argument(
            help="ml-ctl, ppa, cao, realign, clbt, labse, multi-way, teacher, mlm, adversarial, "
            "sense."
        ),
    ],
    encoder: Annotated[str, typer.Argument(help="Folder or Hub name of the encoder.")],
    out: Annotated[Path, typer.Argument(help="Folder for the aligned encoder.")],
    parallel: Annotated[
        Path, typer.Option(help="Parallel text: a file, or a folder of files, <xx>-en.*.")
    ],
    langs: Annotated[str, typer.Option(help="Only these: de,fr. Default: all.")] = "",
    limit: Annotated[int, typer.Option(help="Pairs per language; 0: all.")] = 0,
    dictionaries: Annotated[
        str,
        typer.Option(
            help="Folder of <xx>-en.txt (MUSE) to link words; default: induced from the text."
        ),
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the method: temperature=0.05. May be repeated."),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimizer.")] = 1000,
    batch_size: Annotated[int, typer.Option(help="Pairs per batch.")] = 32,
    accumulate: Annotated[int, typer.Option(help="Batches per step.")] = 1,
    learn_rate: Annotated[float, typer.Option(help="Peak learning rate.")] = 2e-5,
    warmup: Annotated[float, typer.Option(help="Fraction of the steps with a rising rate.")] = 0.1,
    schedule: Annotated[
        str, typer.Option(help="After warm-up: linear (to 0) or constant.")
    ] = "linear",
    max_length: Annotated[int, typer.Option(help="Wordpieces per side.")] = 128,
    long_texts: Annotated[
        str,
        typer.Option(
            help="Longer texts: keep (and cut the end), window (cut between links), drop."
        ),
    ] = "keep",
    held_out: Annotated[
        int, typer.Option(help="Pairs per language held out for retrieval, not trained on.")
    ] = 100,
    eval_every: Annotated[int, typer.Option(help="Steps between two evaluations on them.")] = 0,
    patience: Annotated[
        int, typer.Option(help="Stop after this many evaluations without gain.")
    ] = 0,
    save_every: Annotated[int, typer.Option(help="Steps between two checkpoints.")] = 200,
    seed: Annotated[int, typer.Option(help="Seed of order, masks, dropout.")] = 0,
    bf16: Annotated[bool, typer.Option("--bf16", help="bfloat16 where the device has it.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for retrieval, CKA and zero-shot scores, before and after."),
    ] = None,
    eval_parallel: Annotated[
        Path | None,
        typer.Option(help="Report: parallel text to measure with; default: the held-out pairs."),
    ] = None,
    eval_limit: Annotated[int, typer.Option(help="Report: pairs per language; 0: all.")] = 500,
    corpus: Annotated[
        str, typer.Option(help="Report: fine-tune both on this corpus, as for dlfa sweep.")
    ] = "",
    tasks: Annotated[str, typer.Option(help="Report: folders of the corpus: pos,ner.")] = "",
    plan: Annotated[
        Path | None,
        typer.Option(help="Report: a plan of dlfa sweep for methods, seeds, epochs, limits."),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot/--no-plot", help="Report: draw plots too (matplotlib).")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Resume from a checkpoint.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Align an encoder's languages with parallel text. The result is a folder for `name` of
    dlfa_spacy.TransformerModel.v1.

    Can be killed at any moment: the same command resumes from OUT.checkpoint.pt, with the result it
    would have had. On several GPUs or machines:
    [cyan]accelerate launch -m dlfa_spacy.cli align ...[/]

    [bold]Examples[/]

      [cyan]dlfa align realign assets/encoder training/aligned --parallel parallel/ --steps 500[/]

      [cyan]dlfa align ml-ctl assets/encoder training/aligned --parallel parallel/ --bf16
      --set temperature=0.05[/]

    What it changed, on other text, and zero-shot:

      [cyan]dlfa align realign assets/encoder training/aligned --parallel parallel/ --report
      report/aligned --eval-parallel pud/ --corpus corpus/xtreme --tasks pos,ner[/]
    """
    with plain_errors():
        from ..alignment.align import Alignment, TextSettings
        from ..alignment.methods.create import make_settings
        from ..alignment.training.settings import TrainSettings
        from ..alignment.training.team import join_team, leave_team, team_rank
        from ..files.leftovers import recover

        changes = read_settings(settings or [])
        make_settings(method, changes)
        measured = _report_settings(
            report, eval_parallel, eval_limit, dictionaries, corpus, tasks, plan, plot
        )
        sweep = measured.plan(method, encoder, out) if measured else None
        text = TextSettings(
            parallel, comma_list(langs), limit, dictionaries, max_length, long_texts, held_out
        )
        how = TrainSettings(
            steps, batch_size, accumulate, learn_rate, warmup, schedule,
            bf16=bf16, eval_every=eval_every, patience=patience, save_every=save_every, seed=seed,
        )  # fmt: skip
        device = join_team()
        is_first = team_rank() == 0
        quiet = quiet or not is_first
        if is_first:
            recover(Path(encoder))
            recover(out)
        job = Alignment(method, encoder, changes, text, how, device)
        if not quiet:
            _show_counts(job.counts)
            for note in job.notes:
                output().print(note, highlight=False, soft_wrap=True)
        checkpoint = out.with_name(f"{out.name}.checkpoint.pt")
        if not resume and is_first:
            checkpoint.unlink(missing_ok=True)
        with progress(quiet=quiet) as bar:
            task = bar.add_task(f"Aligning ({method})", total=steps, detail="")

            def show(row: dict[str, float]) -> None:
                bar.update(task, completed=row["step"], detail=f"loss {row['loss']:.4f}")

            job.train(checkpoint, show)
        leave_team()
        if not is_first:
            return
        job.save(out)
        if not quiet:
            for name in job.before:
                output().print(
                    f"Retrieval, {name}: {job.before[name]:.3f} before, {job.after[name]:.3f} "
                    "after",
                    highlight=False,
                )
        output().print(f"Wrote {shown(out)}", highlight=False)
        if measured is not None:
            _report(measured, job, out, sweep, quiet)
        # Last of all: a report that was killed costs no second training.
        checkpoint.unlink(missing_ok=True)


def read_settings(given: list[str]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): `name=value` of each; values as in JSON, other text as it is."""
    found: dict[str, Any] = {}
    for line in given:
        name, equals, value = line.partition("=")
        if not equals or not name:
            raise ValueError(f"--set {line}: expected name=value. Fix: --set temperature=0.05.")
        try:
            found[name] = json.loads(value)
        except json.JSONDecodeError:
            found[name] = value
    return found


def _show_counts(counts: dict[str, dict[str, int]]) -> None:
    from rich.table import Table

    names = list(dict.fromkeys(name for row in counts.values() for name in row))
    # Columns of zeros say nothing.
    names = [name for name in names if any(row.get(name) for row in counts.values())]
    table = Table("language", title="Parallel text", title_justify="left", header_style="bold")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for language, row in counts.items():
        table.add_row(language, *(f"{row.get(name, 0):,}" for name in names))
    output().print(table)


def _report_settings(
    report: Path | None,
    parallel: Path | None,
    limit: int,
    dictionaries: str,
    corpus: str,
    tasks: str,
    plan: Path | None,
    plot: bool,
) -> "ReportSettings | None":
    from ..report.aligned.run import ReportSettings
    from ..report.aligned.zero_shot import ZeroShot

    if report is None:
        if parallel or corpus or tasks or plan:
            raise ValueError(
                "--eval-parallel, --corpus, --tasks and --plan say what a report measures, and "
                "there is no --report. Expected a folder. Fix: --report FOLDER."
            )
        return None
    zero_shot = ZeroShot(plan, corpus, comma_list(tasks)) if corpus or plan else None
    return ReportSettings(report, parallel, limit, dictionaries, zero_shot, plot)


def _report(
    settings: "ReportSettings", job: "Alignment", out: Path, sweep: "Plan | None", quiet: bool
) -> None:
    from ..report.aligned.report import to_markdown
    from ..report.aligned.run import report_alignment

    title = f"{job.name}: {Path(job.encoder).name} before and after {len(job.rows)} steps"
    report, paths = report_alignment(settings, title, job.encoder, out, job.kept, sweep, quiet)
    if not quiet:
        output().print(to_markdown(report), highlight=False, markup=False, soft_wrap=True)
    for written in paths:
        output().print(f"Wrote {shown(written)}", highlight=False, soft_wrap=True)
