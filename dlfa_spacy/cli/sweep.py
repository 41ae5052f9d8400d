"""`dlfa sweep`: many training and evaluation runs, into one table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import comma_list, messages, number, output, plain_errors, shown
from .stopping import stopping

if TYPE_CHECKING:
    from ..runs.sweep import SweepResult


def sweep_cli(
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The sweep's folder; or a plan, PLAN.cfg, with the folder in --out.",
        ),
    ],
    plan: Annotated[
        Path | None,
        typer.Option(help="A plan to start from; other options override its settings."),
    ] = None,
    out_option: Annotated[
        Path | None, typer.Option("--out", "-o", help="The folder, if the argument is a plan.")
    ] = None,
    corpus: Annotated[
        str, typer.Option(help="Holds [bold]<task>/<lang>/<split>.spacy[/], see dlfa convert.")
    ] = "",
    tasks: Annotated[
        str, typer.Option(help="Folders of the corpus: pos,ner,xnli. pos and ner tag tokens.")
    ] = "",
    aggregations: Annotated[
        str,
        typer.Option(
            help="last, mean_upper, scalar, attention, dlfa, dlfa:1, dlfa:all, dlfa_sigmoid:4, "
            "dlfa_layer_norm:4, dlfa_no_norm:4, control, reinit_top, reinit:1-2, reinit:all, "
            "..."
        ),
    ] = "",
    seeds: Annotated[str, typer.Option(help="Seeds of training: 0,1,2,3,4.")] = "",
    encoder: Annotated[str, typer.Option(help="Folder or Hub name of the encoder.")] = "",
    encoders: Annotated[
        str, typer.Option(help="Several, by name in the table: mbert=folder,aligned=folder.")
    ] = "",
    languages: Annotated[str, typer.Option(help="Only these: de,fr. Default: all.")] = "",
    source: Annotated[str, typer.Option(help="The language to train on. Default: en.")] = "",
    epochs: Annotated[str, typer.Option(help="10, or by task: pos=5,ner=10.")] = "",
    learn_rate: Annotated[str, typer.Option(help="2e-5, or by task: pos=3e-4,ner=2e-4.")] = "",
    warmup: Annotated[str, typer.Option(help="Fraction of the steps; XTREME has none.")] = "",
    batch_size: Annotated[int, typer.Option(help="Texts per batch; XTREME has 32.")] = 0,
    frozen: Annotated[
        bool | None,
        typer.Option(
            "--frozen/--no-frozen",
            help="Freeze the encoder; each text is encoded once for all runs.",
        ),
    ] = None,
    train_limit: Annotated[str, typer.Option(help="Texts to train on, drawn once; 0: all.")] = "",
    dev_limit: Annotated[str, typer.Option(help="Texts of dev, drawn once; 0: all.")] = "",
    test_limit: Annotated[
        str, typer.Option(help="Texts of each test set, drawn once for all runs; 0: all.")
    ] = "",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Runs at a time; with GPUs, per GPU.")
    ] = 1,
    threads: Annotated[
        int,
        typer.Option(
            min=0, help="Threads per run; 0: OMP_NUM_THREADS or all cores for one job, else 1."
        ),
    ] = 0,
    gpus: Annotated[str, typer.Option(help="GPUs to use: 0,1.")] = "cpu",
    resume: Annotated[
        bool,
        typer.Option("--resume/--no-resume", help="Resume in a folder that already has results."),
    ] = True,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep the weights of each run (disk!).")
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            help="With --frozen: where the layers of each text are kept. Several sweeps, and "
            "[cyan]dlfa evaluate[/] and [cyan]dlfa analyze[/], may share one. Default: the "
            "sweep's folder."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures only.")] = False,
) -> None:
    """Train and score every task x encoder x method x seed of a plan, each in its own process.

    A sweep can be killed at any moment: the same command resumes where it stopped, and the table
    is the same. A failed run is reported and the others finish; then the exit code is 1, and the
    next call retries it. The checkpoint is chosen on dev of the source language. Test sets are
    scored once, at the end of each run.

    [bold]Examples[/]

    Baseline, attention and DLFA at every layer, five seeds, two at a time:

      [cyan]dlfa sweep sweeps/layers --corpus corpus/xtreme --tasks pos,ner --aggregations
      last,attention,dlfa:all,control --seeds 0,1,2,3,4 --encoder assets/encoder --jobs 2[/]

    Resume it, or extend it by a seed:

      [cyan]dlfa sweep sweeps/layers[/]
      [cyan]dlfa sweep sweeps/layers --seeds 0,1,2,3,4,5[/]

    A plan from a repository:

      [cyan]dlfa sweep plans/layers.cfg --out sweeps/layers[/]
    """
    with plain_errors():
        from ..runs.plan import PLAN, make_plan, read_plan

        if out.suffix == ".cfg":
            plan, out = out, out_option or Path("sweeps") / out.stem
        elif out_option is not None:
            raise ValueError(
                f"--out {out_option}: the folder is {out} already. Expected a plan (.cfg) as the "
                "argument with --out. Fix: omit one of the two."
            )
        if not resume and (out / PLAN).is_file():
            raise ValueError(
                f"{out}: found a sweep there, expected none with --no-resume. "
                "Fix: choose another folder, or omit --no-resume."
            )
        changes: dict[str, Any] = {
            "corpus": corpus,
            "tasks": comma_list(tasks),
            "methods": comma_list(aggregations),
            "seeds": [number("--seeds", seed, int) for seed in comma_list(seeds)],
            "encoders": _encoders(encoder, encoders),
            "languages": comma_list(languages),
            "source": source,
            "epochs": _per_task("--epochs", epochs, int),
            "learn_rate": _per_task("--learn-rate", learn_rate, float),
            "warmup": _per_task("--warmup", warmup, float),
            "batch_size": batch_size,
            "frozen": frozen,
            "train_limit": _per_task("--train-limit", train_limit, int),
            "dev_limit": _per_task("--dev-limit", dev_limit, int),
            "test_limit": _per_task("--test-limit", test_limit, int),
        }
        # None and empty are what was not said; 0 can be.
        changes = {
            key: value
            for key, value in changes.items()
            if value or (value == 0 and key not in ("batch_size", "source"))
        }
        if plan is None and (out / PLAN).is_file():
            plan = out / PLAN
        made = make_plan(changes) if plan is None else read_plan(plan, changes)
        _run(made, out, jobs, threads, gpus, keep_models, store, quiet)


def _run(
    plan: Any,
    out: Path,
    jobs: int,
    threads: int,
    gpus: str,
    keep_models: bool,
    store: Path | None,
    quiet: bool,
) -> None:
    from ..runs.sweep import run_sweep

    chosen = [] if gpus == "cpu" else comma_list(gpus)
    numbers = [number("--gpus", gpu, int) for gpu in chosen]
    devices = [gpu for _ in range(jobs) for gpu in numbers or [-1]]
    with stopping(f"Fix: resume with dlfa sweep {shown(out)}"):
        result = run_sweep(
            plan,
            out,
            devices=devices,
            threads=threads or _threads(len(devices)),
            keep_models=keep_models,
            store=store,
            console=messages(),
            quiet=quiet,
        )
    if not quiet:
        _show(result)
    if result.failures:
        raise typer.Exit(1)


def _show(result: "SweepResult") -> None:
    n_done = len(result.runs) - len(result.failures)
    console = output()
    console.print(
        f"{n_done} of {len(result.runs)} runs done ({result.n_before} before): "
        f"{shown(result.table)}",
        soft_wrap=True,
    )
    if result.failures:
        from rich.table import Table
        from rich.text import Text

        table = Table("failed run", "why", title_justify="left")
        for name, reason in result.failures.values():
            lines = reason.splitlines()
            table.add_row(Text(name), Text("\n".join([lines[0], *lines[-1:]])))
        console.print(table)


def _threads(n_runs: int) -> int:
    import torch

    # OMP_NUM_THREADS, where it is set: threads that wait for a core that others use spin.
    return 1 if n_runs > 1 else torch.get_num_threads()


def _encoders(encoder: str, encoders: str) -> dict[str, str]:
    if not encoders:
        return {Path(encoder).name: encoder} if encoder else {}
    pairs = [item.partition("=") for item in comma_list(encoders)]
    if encoder or not all(name and path for name, _, path in pairs):
        raise ValueError(
            f"--encoders {encoders}: expected name=folder,name=folder, and no --encoder with it. "
            "Fix: --encoders mbert=assets/mbert,aligned=training/aligned."
        )
    return {name: path for name, _, path in pairs}


def _per_task(option: str, value: str, kind: type[int] | type[float]) -> Any:
    if not value:
        return None
    if "=" not in value:
        return number(option, value, kind)
    pairs = [item.partition("=") for item in comma_list(value)]
    return {task: number(option, own, kind) for task, _, own in pairs}
