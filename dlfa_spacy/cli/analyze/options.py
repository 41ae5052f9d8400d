"""Arguments and options that the commands of `dlfa analyze` share."""

from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(
        help="A trained pipeline (folder or package), or an encoder (folder, or name on the Hub)."
    ),
]
Pipeline = Annotated[str, typer.Argument(help="A trained pipeline: its folder or package.")]
Parallel = Annotated[
    Path,
    typer.Argument(
        help="Parallel text: <language>-en.tsv with lines of foreign TAB English, or a folder of "
        "such files."
    ),
]
Corpus = Annotated[
    Path,
    typer.Argument(help="Holds [bold]<lang>/<split>.spacy[/], .conllu, .iob2 or .tsv."),
]
Langs = Annotated[str, typer.Option("--langs", help="Only these languages: de,fr. Default: all.")]
Limit = Annotated[int, typer.Option(min=0, help="Sentences per language; 0: all.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Folder for the table (CSV) and plot (SVG).")
]
Plot = Annotated[bool, typer.Option("--plot/--no-plot", help="Draw a plot too (matplotlib).")]
Store = Annotated[
    Path | None,
    typer.Option(
        help="Keep the layers of each text in this folder, and take those that are there: as "
        "[cyan]dlfa sweep --store[/]."
    ),
]
Batch = Annotated[int, typer.Option(min=1, help="Sentences encoded at once.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]
