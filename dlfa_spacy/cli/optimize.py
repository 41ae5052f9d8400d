"""`dlfa optimize`: a trained pipeline, smaller and faster."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import comma_list, messages, output, plain_errors, shown

if TYPE_CHECKING:
    from ..evaluation.costs import Costs
    from ..optimization.optimize import Step


def optimize_cli(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Trained pipeline, or its folder.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; not MODEL.")],
    target: Annotated[
        str | None,
        typer.Option(help="cpu: --int8 --int8-embeddings --half. Other options override it."),
    ] = None,
    drop_layers: Annotated[
        float | None,
        typer.Option(help="Drop layers of a smaller learned weight from mixes, e.g. 0.02."),
    ] = None,
    half: Annotated[
        bool | None, typer.Option("--half/--no-half", help="Save the encoder as half floats.")
    ] = None,
    half_type: Annotated[
        str, typer.Option(help="With --half: float16 (more precise) or bfloat16 (wider).")
    ] = "float16",
    int8: Annotated[
        bool | None,
        typer.Option(
            "--int8/--no-int8", help="The encoder's Linear layers as integers, for a CPU."
        ),
    ] = None,
    int8_embeddings: Annotated[
        bool | None,
        typer.Option(
            "--int8-embeddings/--no-int8-embeddings", help="Rows of the vocabulary as integers."
        ),
    ] = None,
    int4: Annotated[
        bool,
        typer.Option("--int4", help="The encoder's Linear layers in four bits on disk."),
    ] = False,
    int4_embeddings: Annotated[
        bool,
        typer.Option("--int4-embeddings", help="Rows of the vocabulary in four bits."),
    ] = False,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Run encoder and aggregations in ONNX Runtime, on a CPU (needs the extra onnx).",
        ),
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
        bool, typer.Option("--cut/--no-cut", help="Remove blocks that nothing reads.")
    ] = True,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            help="Compare: score each option alone and all together in every language of this "
            "folder, as [cyan]dlfa evaluate[/] does. Can be given once per task."
        ),
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="With --corpus: write the comparison to TABLE.csv and .md.")
    ] = None,
    split: Annotated[str, typer.Option(help="With --corpus: as in dlfa evaluate.")] = "test,dev",
    source: Annotated[str, typer.Option(help="With --corpus: the language trained on.")] = "en",
    limit: Annotated[
        int, typer.Option(min=0, help="With --corpus: texts per language; 0: all.")
    ] = 0,
    timed: Annotated[
        int, typer.Option(min=1, help="With --corpus: texts per language to time.")
    ] = 25,
    rounds: Annotated[int, typer.Option(min=1, help="With --corpus: timed rounds.")] = 5,
    alone: Annotated[
        bool,
        typer.Option(
            "--alone/--together",
            help="With --corpus: each option alone as well, or only all together.",
        ),
    ] = True,
    stock: Annotated[
        bool, typer.Option("--stock/--no-stock", help="With --corpus: compare with stock spaCy.")
    ] = True,
) -> None:
    """Make a trained pipeline smaller and faster for deployment.

    Without options: the blocks above the highest layer that any component reads, and the pooler,
    are removed, and predictions stay the same. Each option has a cost, which --corpus measures.

    [bold]Examples[/]

    For a CPU, with the wordpieces of the languages in use:

      [cyan]dlfa optimize training/model-best deployed --target cpu --trim-vocab corpus/[/]

    What each of these options costs, language by language:

      [cyan]dlfa optimize training/model-best deployed --target cpu --corpus corpus/ --table
      costs[/]
    """
    with plain_errors():
        import functools
        from dataclasses import replace

        from ..evaluation.costs import Corpus, measure_costs
        from ..optimization.optimize import optimize, options_for
        from ..optimization.texts import read_texts
        from ..report.costs_table import write_costs

        if table is not None and not corpus:
            raise ValueError("--table needs texts to score. Fix: add --corpus FOLDER.")
        needed = trim_vocab or texts
        asked = {
            "cut": cut,
            "drop": drop_layers,
            "trim": trim_vocab is not None,
            "int8": int8,
            "int8_embeddings": int8_embeddings,
            "int4": int4,
            "int4_embeddings": int4_embeddings,
            "onnx": onnx,
        }
        options = options_for(target, asked)
        if half is None:
            half = options.half is not None
        options = replace(options, half=half_type if half else None)
        reader = functools.partial(read_texts, path=needed) if needed is not None else None
        steps = optimize(model, out, options, reader)
        _show_steps(steps)
        output().print(f"Wrote {shown(out)}", soft_wrap=True)
        if corpus:
            costs = measure_costs(
                model,
                options,
                Corpus(corpus, comma_list(split), source, limit, timed, rounds, alone),
                reader,
                stock,
                lambda words: messages().print(words, highlight=False),
            )
            _show_costs(costs)
            if table is not None:
                command = shlex.join(["dlfa", *sys.argv[1:]])
                for path in write_costs(costs, table, command):
                    output().print(f"Wrote {shown(path)}", soft_wrap=True)


def _show_steps(steps: list["Step"]) -> None:
    from rich.table import Table

    table = Table(title="Size of the pipeline")
    for name in ("Step", "MB", "of the original"):
        table.add_column(name, justify="left" if name == "Step" else "right")
    table.add_column("What changed", overflow="fold")
    for step in steps:
        share = f"{100 * step.size / steps[0].size:.1f} %"
        changed = "\n".join(step.changes) or ("" if step is steps[0] else "nothing")
        table.add_row(step.name, f"{step.size / 1e6:.2f}", share, changed)
    output().print(table, markup=False)


def _show_costs(costs: "Costs") -> None:
    from rich.table import Table

    from ..report.costs_table import header, rows

    table = Table(title="What each option costs and gains")
    for i, name in enumerate(header(costs)):
        table.add_column(name, justify="right" if i else "left", overflow="fold")
    for row in rows(costs):
        table.add_row(*row)
    output().print(table, markup=False)
