"""`dlfa export-encoder`: an encoder as a folder that other libraries read."""

from pathlib import Path
from typing import Annotated

import typer

from .console import output, plain_errors, shown


def export_encoder_cli(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="An encoder's folder; or a trained pipeline, or its folder."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; not SOURCE.")],
    int4: Annotated[
        bool,
        typer.Option("--int4", help="In four bits, as only dlfa_spacy.TransformerModel.v1 reads."),
    ] = False,
    component: Annotated[
        str | None,
        typer.Option(help="In a pipeline with several encoders: the component's name."),
    ] = None,
) -> None:
    """Write an encoder as an ordinary Hugging Face folder, or as one in four bits.

    [bold]Examples[/]

    The bundled encoder, for transformers' AutoModel:

      [cyan]dlfa export-encoder assets/encoder floats[/]

    A fine-tuned encoder in four bits, as the encoder of another pipeline:

      [cyan]dlfa export-encoder training/model-best encoders/mine --int4[/]
    """
    with plain_errors():
        from ..optimization.export import export_encoder
        from ..optimization.optimize import folder_size

        export_encoder(source, out, int4, component)
        output().print(f"Wrote {shown(out)}, {folder_size(out) / 1e6:.1f} MB", soft_wrap=True)
