"""`dlfa train-on`: a trained pipeline learns from a few sentences of another language."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import comma_list, number, output, plain_errors, progress, shown

if TYPE_CHECKING:
    from ..transfer.train_on.train_on import TrainedOn, TrainOnSettings


def train_on_cli(
    model: Annotated[
        str, typer.Argument(help="A pipeline: its folder (training/model-best) or package name.")
    ],
    corpus: Annotated[
        Path,
        typer.Argument(
            help="Corrected texts: a file, or a folder with [bold]<lang>/train.spacy[/], as "
            "[cyan]dlfa import[/] and [cyan]dlfa convert[/] write it."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Folder for the pipeline; with --curve for the table."),
    ],
    beside: Annotated[
        Path | None,
        typer.Option(
            "--with",
            help="Texts that the pipeline was trained on, or more of their kind: as many as there "
            "are corrections are mixed in, so that English is kept.",
        ),
    ] = None,
    dev: Annotated[
        Path | None,
        typer.Option(help="Annotated texts to choose the best epoch on. Default: the last epoch."),
    ] = None,
    components: Annotated[
        str,
        typer.Option(help="Only these learn: ner,tagger. Default: all with annotation in CORPUS."),
    ] = "",
    split: Annotated[str, typer.Option(help="The split of a folder to train on.")] = "train",
    epochs: Annotated[int, typer.Option(help="Passes over the texts.")] = 10,
    learn_rate: Annotated[float, typer.Option(help="The peak learning rate.")] = 3e-4,
    batch_size: Annotated[int, typer.Option(help="Texts of a step.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    curve: Annotated[
        str,
        typer.Option(
            help="Write no pipeline, but scores after training on so many texts of each language: "
            "0,10,50,200. [cyan]dlfa report OUT[/] shows them."
        ),
    ] = "",
    test: Annotated[
        Path | None,
        typer.Option(help="With --curve: what is scored, a folder with <lang>/test.spacy."),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="With --curve: of the texts drawn, and of the training.")
    ] = "0,1,2",
    limit: Annotated[
        int, typer.Option(min=0, help="With --curve: texts scored in each language; 0: all.")
    ] = 0,
    source: Annotated[
        str, typer.Option(help="With --curve: the language that must be kept.")
    ] = "en",
    store: Annotated[
        Path | None,
        typer.Option(help="With --curve: folder for the encoder's layers, for many commands."),
    ] = None,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU; -1: CPU.")] = -1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Go on training a pipeline with a few sentences of another language, its encoder frozen.

    The components that CORPUS has annotation for learn; everything else stays as it is, and keeps
    its scores.

    [bold]Examples[/]

      [cyan]dlfa import labelstudio project.json corrected[/]

      [cyan]dlfa train-on xx_dlfa_ner corrected training/corrected --with corpus/en/train.spacy[/]

    What 10, 50 and 200 sentences of each language bring, three seeds each:

      [cyan]dlfa train-on xx_dlfa_ner corpus few_shot --curve 0,10,50,200 --test corpus
      --with corpus/en/train.spacy[/]
    """
    with plain_errors():
        import spacy

        from ..files.target_folder import refuse_to_overwrite
        from ..files.writing import replacing
        from ..pipeline.sources import open_pipeline
        from ..transfer.train_on.train_on import TrainOnSettings, read_texts, train_on

        settings = TrainOnSettings(
            components=tuple(comma_list(components)),
            epochs=epochs,
            learn_rate=learn_rate,
            batch_size=batch_size,
            seed=seed,
        )
        if gpu_id >= 0:
            spacy.require_gpu(gpu_id)
        if curve:
            if test is None or dev is not None:
                raise ValueError(
                    f"--curve {curve}: expected --test with it, a folder to score, and no --dev. "
                    "Fix: --test corpus."
                )
            plan = {
                "counts": tuple(number("--curve", n, int) for n in comma_list(curve)),
                "seeds": tuple(number("--seeds", n, int) for n in comma_list(seeds)),
                **{"split": split, "source": source, "limit": limit},
            }
            _curve(model, corpus, test, out, plan, settings, beside, store, gpu_id, quiet)
            return
        refuse_to_overwrite(out, (out / "meta.json").is_file(), "pipeline")
        nlp = open_pipeline(model)
        with progress(quiet=quiet) as bar:
            task = bar.add_task("Training", total=None, detail="steps")
            done = train_on(
                nlp,
                read_texts(nlp, corpus, split),
                settings,
                beside=read_texts(nlp, beside, split) if beside else (),
                dev=read_texts(nlp, dev, "dev") if dev else (),
                gpu_id=gpu_id,
                on_step=lambda step, steps: bar.update(task, completed=step, total=steps),
            )
        with replacing(out) as temporary:
            nlp.to_disk(temporary)
        if not quiet:
            _show(done, out)


def _curve(
    model: str,
    corpus: Path,
    test: Path,
    out: Path,
    plan: dict[str, Any],
    settings: "TrainOnSettings",
    beside: Path | None,
    store: Path | None,
    gpu_id: int,
    quiet: bool,
) -> None:
    from ..pipeline.sources import open_pipeline
    from ..runs.few_shot import Curve, few_shot_curve
    from ..transfer.train_on.train_on import read_texts

    made = Curve(**plan)
    with tempfile.TemporaryDirectory() as folder, progress(quiet=quiet) as bar:
        nlp = open_pipeline(model, store or Path(folder))
        task = bar.add_task("Loading", total=None, detail="trainings")

        def on_run(name: str, done: int, runs: int) -> None:
            bar.update(task, description=name, completed=done, total=runs)

        table = few_shot_curve(
            nlp,
            corpus,
            test,
            out,
            made,
            settings,
            beside=read_texts(nlp, beside, made.split) if beside else (),
            gpu_id=gpu_id,
            on_run=on_run,
        )
    if not quiet:
        output().print(f"Wrote {shown(table)}", soft_wrap=True)


def _show(done: "TrainedOn", out: Path) -> None:
    def counted(texts: dict[str, int]) -> str:
        return ", ".join(f"{n:,} {code}" for code, n in texts.items())

    console = output()
    mixed = f", with {counted(done.mixed_in)}" if done.mixed_in else ""
    seconds = done.trained.initialize_seconds + done.trained.train_seconds
    console.print(
        f"{', '.join(done.learners)} trained on {counted(done.texts)}{mixed} in {seconds:.0f} s"
    )
    if done.trained.history:
        best = max(point["score"] for point in done.trained.history)
        console.print(f"score on dev {best:.3f} at step {done.trained.best_step}")
    if done.uncalibrated:
        console.print(
            f"The confidences of {', '.join(done.uncalibrated)} have to be fitted again: dlfa "
            "calibrate."
        )
    console.print(f"Wrote {shown(out)}", soft_wrap=True)
