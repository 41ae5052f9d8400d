"""`dlfa distill`: a student pipeline, trained on what a teacher says."""

from pathlib import Path
from typing import Annotated

import typer

from .console import comma_list, output, plain_errors, progress, shown


def distill_cli(
    teacher: Annotated[str, typer.Argument(help="Folder or package of a trained pipeline.")],
    config: Annotated[Path, typer.Argument(metavar="STUDENT.cfg", help="Its training config.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the student.")],
    texts: Annotated[
        Path, typer.Option(help="Texts to label: a corpus, or .txt with a text a line.")
    ],
    dev: Annotated[
        Path | None, typer.Option(help="Annotated texts to choose checkpoints on.")
    ] = None,
    labels: Annotated[
        str,
        typer.Option(
            help="soft: probabilities; hard: annotation; smoothed: hard ones with the entropy of "
            "the soft ones, the control."
        ),
    ] = "soft",
    temperature: Annotated[
        float, typer.Option(help="Of the teacher's probabilities; below 1 sharper.")
    ] = 1.0,
    gold: Annotated[
        float, typer.Option(help="Weight of the texts' own annotation, from 0 to 1.")
    ] = 0.0,
    components: Annotated[
        str, typer.Option(help="Only these learn: textcat,tagger. Default: all that both have.")
    ] = "",
    language: Annotated[str, typer.Option(help="Of the texts, where they do not say.")] = "en",
    limit: Annotated[int, typer.Option(help="Texts to label; 0: all.")] = 0,
    gpu_id: Annotated[int, typer.Option("--gpu-id", "-g", help="GPU; -1: CPU.")] = -1,
    resume: Annotated[
        bool, typer.Option("--resume/--no-resume", help="Go on with what is in OUT.")
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Train a pipeline on what another one says of texts: a multilingual student of a monolingual
    teacher (MONOX), or a small one of a large one. The two need no common tokenizer or encoder.

    Can be killed at any moment: the same command goes on. The result, OUT/model-best, loads without
    anything of this.

    [bold]Examples[/]

      [cyan]dlfa init-config --task textcat --aggregation last student.cfg[/]

      [cyan]dlfa distill training/english/model-best student.cfg training/student
      --texts raw/en.txt --dev corpus/en/dev.spacy[/]
    """
    with plain_errors():
        from ..transfer.distill.distill import BEST, DistillSettings, distill
        from ..transfer.distill.labelled_texts import Texts

        settings = DistillSettings(labels, temperature, gold, tuple(comma_list(components)))
        with progress(quiet=quiet) as bar:
            scoring = bar.add_task("Labelling", total=None, detail="texts")
            training = bar.add_task("Training", total=None, detail="steps")
            done = distill(
                teacher,
                config,
                out,
                Texts(texts, language, limit),
                settings,
                dev=dev,
                gpu_id=gpu_id,
                resume=resume,
                on_text=lambda n: bar.advance(scoring, n),
                on_step=lambda step, steps: bar.update(training, completed=step, total=steps),
            )
        if quiet:
            return
        for name, value in done.entropies.items():
            rate = done.smoothing.get(name)
            spread = "" if rate is None else f"; labels smoothed by {rate:.3f}"
            output().print(f"{name}: teacher's mean entropy {value:.3f} nats{spread}")
        best = max(point["score"] for point in done.trained.history)
        output().print(f"score on dev {best:.3f} at step {done.trained.best_step}")
        output().print(f"[green]{shown(out / BEST)}[/]")
