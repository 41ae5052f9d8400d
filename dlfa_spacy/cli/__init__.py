"""The command line: the console script `dlfa`, and `python -m spacy dlfa`.

`app` is the Typer application, `main` the console script. The entry point of the group
`spacy_cli` is `dlfa_spacy.cli.spacy_group:app`, which adds `app` to spaCy's own.
"""

from typing import Annotated

import typer

from ..about import __version__
from .align import align_cli
from .analyze import analyze_app
from .annotate import annotate_cli
from .benchmark import benchmark_cli
from .calibrate import calibrate_cli
from .convert import convert_cli
from .distill import distill_cli
from .evaluate import evaluate_cli
from .export import export_cli
from .export_encoder import export_encoder_cli
from .help_text import add_help
from .import_ import import_cli
from .init_config import init_config_cli
from .optimize import optimize_cli
from .package import package_cli
from .project_labels import project_labels_cli
from .push import push_cli
from .report import report_cli
from .serve import serve_cli
from .suggest_layer import suggest_layer_cli
from .sweep import sweep_cli
from .train_on import train_on_cli

app = typer.Typer(name="dlfa", no_args_is_help=True, rich_markup_mode="rich")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"dlfa_spacy {__version__}")
        raise typer.Exit


@app.callback()
def dlfa(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Zero-shot cross-lingual transfer with every layer of a multilingual transformer: train on
    English, run in other languages.

    [bold]To begin with[/]

      [cyan]dlfa annotate texts.txt annotated --model xx_dlfa_ner[/]

      [cyan]dlfa convert my_corpus corpus[/]

      [cyan]dlfa init-config --task ner --aggregation scalar ner.cfg[/]

      [cyan]dlfa evaluate training/model-best corpus[/]

      [cyan]dlfa COMMAND --help[/]
    """


app.command("init-config")(init_config_cli)
app.command("convert")(convert_cli)
app.command("evaluate")(evaluate_cli)
app.command("calibrate")(calibrate_cli)
app.command("annotate")(annotate_cli)
app.command("serve")(serve_cli)
app.command("report")(report_cli)
app.command("sweep")(sweep_cli)
app.command("optimize")(optimize_cli)
app.command("package")(package_cli)
app.command("push")(push_cli)
app.command("export-encoder")(export_encoder_cli)
app.command("export")(export_cli)
app.command("import")(import_cli)
app.command("project-labels")(project_labels_cli)
app.command("train-on")(train_on_cli)
app.command("align")(align_cli)
app.command("distill")(distill_cli)
app.command("benchmark")(benchmark_cli)
app.command("suggest-layer")(suggest_layer_cli)
app.add_typer(analyze_app, name="analyze")
add_help(app)


def main() -> None:
    """Run the console script `dlfa`."""
    app(prog_name="dlfa")


__all__ = ["app", "main"]
