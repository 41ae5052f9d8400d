"""`dlfa push`: a pipeline or an encoder on the Hugging Face Hub."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def push_cli(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A pipeline: its folder, or an installed package; or an encoder's folder.",
        ),
    ],
    repo: Annotated[
        str,
        typer.Option(metavar="ORG/NAME", help="The repository. A pipeline's: ORG/xx_my_ner."),
    ],
    scores: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Of dlfa evaluate --out: for the card and its results."),
    ] = None,
    version: Annotated[str, typer.Option(help="Of the pipeline's package.")] = "0.1.0",
    license: Annotated[str, typer.Option(help="Of the weights: CC BY-SA 4.0.")] = "",
    description: Annotated[str, typer.Option(help="One sentence about the pipeline.")] = "",
    private: Annotated[bool, typer.Option("--private", help="Make a private repository.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Add a commit to a repository that is there.")
    ] = False,
    revision: Annotated[str, typer.Option(help="The branch; made if it is missing.")] = "main",
    message: Annotated[str, typer.Option(help="Of the commit.")] = "Push by dlfa",
    dry_run: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write what would be pushed there, and push nothing."),
    ] = None,
) -> None:
    """Push a pipeline or an encoder to the Hugging Face Hub, with a model card.

    Of a pipeline: its files, and its wheel, so that others install it by one line. The token is
    that of huggingface_hub: hf auth login, or HF_TOKEN.

    [bold]Examples[/]

    What would be pushed, to be looked at:

      [cyan]dlfa push training/model-best --repo my-org/xx_my_ner --scores metrics/ner --dry-run
      pushed[/]

    And pushed:

      [cyan]dlfa push training/model-best --repo my-org/xx_my_ner --scores metrics/ner --license
      "CC BY-SA 4.0"[/]

    An encoder that was aligned:

      [cyan]dlfa push encoders/aligned --repo my-org/my-encoder --private[/]
    """
    with plain_errors():
        from ..files.target_folder import refuse_to_overwrite
        from ..files.writing import replacing
        from ..hub import Repository, check_ready, push, write_source

        repository = Repository(repo, revision=revision, private=private, update=update)

        def write(folder: Path) -> str | None:
            return write_source(
                source,
                folder,
                repository,
                version=version,
                license=license,
                description=description,
                scores=scores,
            )

        if dry_run is not None:
            refuse_to_overwrite(dry_run, (dry_run / "README.md").is_file(), "folder of a push")
            with replacing(dry_run) as folder:
                write(folder)
            output().print(f"Wrote {shown(dry_run)}; nothing was pushed.", soft_wrap=True)
            return
        check_ready(repository)
        with tempfile.TemporaryDirectory() as temporary:
            wheel = write(Path(temporary) / "pushed")
            page = push(Path(temporary) / "pushed", repository, message)
        output().print(f"Pushed to {page}", soft_wrap=True)
        if wheel is not None:
            output().print(f"pip install {wheel}", soft_wrap=True, highlight=False)
