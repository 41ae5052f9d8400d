"""`dlfa optimize`: a trained pipeline, smaller and faster."""

from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def optimize_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Trained pipeline, or its folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; not MODEL.")],
    drop_layers: Annotated[
        float | None,
        typer.Option(help="Drop layers of a smaller learned weight from mixes, e.g. 0.02."),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Save the encoder as half floats.")] = False,
    half_type: Annotated[
        str, typer.Option(help="With --half: float16 (more precise) or bfloat16 (wider).")
    ] = "float16",
    int8: Annotated[
        bool, typer.Option("--int8", help="The encoder's Linear layers as integers, for a CPU.")
    ] = False,
    trim_vocab: Annotated[
        Path | None,
        typer.Option(help="Keep the wordpieces of these texts: .txt, a corpus, or a folder."),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="Texts that --drop-layers measures attention with, if not --trim-vocab."),
    ] = None,
    cut: Annotated[
        bool, typer.Option("--cut/--no-cut", help="Take out blocks that nobody reads.")
    ] = True,
) -> None:
    """Make a trained pipeline smaller and faster for deployment.

    Without options: the blocks above the highest layer that any component reads, and the pooler,
    are taken out, and predictions stay the same. Each option costs something: compare
    [cyan]dlfa evaluate[/] before and after.

    [bold]Examples[/]

      [cyan]dlfa optimize training/model-best deployed --int8 --half[/]

    Only the wordpieces of the languages in use:

      [cyan]dlfa optimize training/model-best deployed --trim-vocab corpus/[/]
    """
    with plain_errors():
        import functools

        from rich.table import Table

        from ..optimization.optimize import Options, optimize
        from ..optimization.texts import read_texts

        source = trim_vocab or texts
        options = Options(
            cut=cut,
            drop=drop_layers,
            trim=trim_vocab is not None,
            int8=int8,
            half=half_type if half else None,
        )
        reader = functools.partial(read_texts, path=source) if source is not None else None
        steps = optimize(model, out, options, reader)
        table = Table(title="Size of the pipeline")
        for name in ("Step", "MB", "of the original"):
            table.add_column(name, justify="left" if name == "Step" else "right")
        table.add_column("What changed", overflow="fold")
        for step in steps:
            share = f"{100 * step.size / steps[0].size:.1f} %"
            changed = "\n".join(step.changes) or ("" if step is steps[0] else "nothing")
            table.add_row(step.name, f"{step.size / 1e6:.2f}", share, changed)
        output().print(table, markup=False)
        output().print(f"Wrote {shown(out)}", soft_wrap=True)
