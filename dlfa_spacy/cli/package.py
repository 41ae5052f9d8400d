"""`dlfa package`: a pipeline that pip can install."""

from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def package_cli(
    model: Annotated[
        str, typer.Argument(help="The pipeline: its folder, or an installed package.")
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder that gets <lang>_<name>-<version>.")
    ],
    name: Annotated[str, typer.Option(help="Of the package, without the language: my_ner.")],
    version: Annotated[str, typer.Option(help="Of the package.")] = "0.1.0",
    license: Annotated[str, typer.Option(help="Of the components' weights: CC BY-SA 4.0.")] = "",
    description: Annotated[str, typer.Option(help="One sentence.")] = "",
    scores: Annotated[
        Path | None,
        typer.Option(help="Folder of dlfa evaluate --out: its table becomes part of the card."),
    ] = None,
) -> None:
    """Make a package of a pipeline, with its encoder: a wheel that pip installs, for spacy.load.

    Needs no network. The card, README.md, says how to load it, and what it scores in each language.

    [bold]Examples[/]

      [cyan]dlfa evaluate training/model-best corpus --out metrics/ner[/]

      [cyan]dlfa package training/model-best packages --name my_ner --scores metrics/ner[/]

      [cyan]pip install packages/xx_my_ner-0.1.0/dist/xx_my_ner-0.1.0-py3-none-any.whl[/]
    """
    with plain_errors():
        from ..evaluation.model_info import encoder_name
        from ..hub.card import encoder_keys
        from ..pipeline.packaging import build_package, make_card, read_scores
        from ..pipeline.sources import open_pipeline

        found = None if scores is None else read_scores(scores)
        nlp = open_pipeline(model)
        meta = {"license": license, "description": description}
        given = {key: value for key, value in meta.items() if value}
        nlp.meta.update(given)
        _, encoder = encoder_keys(encoder_name(nlp))
        card = make_card(nlp, name, found, encoder)
        wheel = build_package(
            nlp, out, name=name, version=version, meta=given, files={"README.md": card}
        )
        output().print(
            f"Wrote {shown(wheel)} ({wheel.stat().st_size / 1e6:.0f} MB)", soft_wrap=True
        )
