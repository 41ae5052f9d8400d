"""`dlfa analyze aggregator`."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import plain_errors
from .app import analyze_app
from .inputs import read_gold
from .options import Batch, Corpus, Langs, Limit, Out, Pipeline, Plot, Quiet
from .show import show, show_rows, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@analyze_app.command("aggregator")
def aggregator_cli(
    pipeline: Pipeline,
    corpus: Corpus,
    langs: Langs = "",
    split: Annotated[str, typer.Option(help="As in [cyan]dlfa evaluate[/].")] = "test,dev",
    limit: Limit = 200,
    batch_size: Batch = 64,
    out: Out = None,
    plot: Plot = True,
    quiet: Quiet = False,
) -> None:
    """What a trained pipeline's aggregation does: layer weights, or the gate of DLFA.

    Weights by component, language and UPOS tag (the corpus's own tags, if it has any):
    [bold]layer_weights.csv[/] and [bold].svg[/]. The gate's mean, deviation and share outside
    [0, 1], by component and language: [bold]gates.csv[/].

    [bold]Example[/]

      [cyan]dlfa analyze aggregator training/model-best corpus/pos --out analysis[/]
    """
    with plain_errors():
        from ...analysis.gates import gate_rows
        from ...analysis.weights import ALL, weight_rows
        from ...pipeline.inspection import named_aggregators
        from ...pipeline.sources import open_source

        nlp = open_source(pipeline)
        modules = [module for _, module in named_aggregators(nlp)]
        has_gates = any(module.has_gate for module in modules)
        has_weights = any(module.layer_weights() is not None for module in modules)
        if not has_gates and not has_weights:
            raise ValueError(
                f"No component of {pipeline} has an aggregation that weights layers. "
                "Expected LayerAttention, ScalarMix or DoubleLayerFusion. Fix: name another "
                "pipeline."
            )
        if has_weights:
            rows = list(weight_rows(nlp, read_gold(nlp, corpus, langs, split, limit), batch_size))
            main = _by_group(row for row in rows if ALL in (row["upos"], row["language"]))
            if not quiet:
                show("Layer weights", {k: dict(enumerate(v)) for k, v in main.items()}, percent=0)
            write(out, "layer_weights", rows, plot, lambda: _heat_map(main), quiet)
        if has_gates:
            rows = list(gate_rows(nlp, read_gold(nlp, corpus, langs, split, limit), batch_size))
            if not quiet:
                show_rows("The gate of DLFA: the weight of the lower layer", rows)
            write(out, "gates", rows, False, None, quiet)


def _by_group(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for row in rows:
        group = "all" if row["language"] == row["upos"] else f"{row['language']} {row['upos']}"
        group = group.replace("all ", "").replace(" all", "")
        found.setdefault(f"{row['component']}: {group}", []).append(row["weight"])
    return found


def _heat_map(rows: Mapping[str, list[float]]) -> "Figure":
    from ...report import plots

    return plots.heat_map(rows, title="Weight of each layer in a component")
