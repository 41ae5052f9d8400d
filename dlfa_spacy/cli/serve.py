"""`dlfa serve`: a page to try a pipeline on, and its API."""

from pathlib import Path
from typing import Annotated

import typer

from .console import messages, output, plain_errors


def serve_cli(
    model: Annotated[
        str, typer.Argument(metavar="[PIPELINE]", help="A pipeline: its folder or package name.")
    ] = "xx_dlfa_ner",
    compare: Annotated[
        str, typer.Option(metavar="PIPELINE", help="Another one, to be shown beside it.")
    ] = "",
    host: Annotated[str, typer.Option(help="0.0.0.0 for all who reach this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    language: Annotated[
        bool,
        typer.Option(
            "--language", help="Tell the language of each text: needs dlfa_spacy[language]."
        ),
    ] = False,
    max_characters: Annotated[int, typer.Option(min=1, help="Characters of a text.")] = 10_000,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 64,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes of a request.")] = 1_000_000,
    rate: Annotated[
        int, typer.Option(min=0, help="Texts that one client may send in a minute; 0: any.")
    ] = 600,
    batch_texts: Annotated[
        int, typer.Option(min=1, help="Texts of all clients that are annotated at once.")
    ] = 32,
    max_wait: Annotated[
        float, typer.Option(min=0, help="Milliseconds that a text waits for others.")
    ] = 5.0,
    code: Annotated[
        Path | None, typer.Option("--code", "-c", help="Python file with your own functions.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing.")] = False,
) -> None:
    """Try a pipeline in a browser: a page for texts in any language, and a JSON API.

    Shows entities, parts of speech, topics, pairs of texts, and the layers that each token reads:
    whatever the pipeline has. Only this machine is answered, and no text is logged. The API is
    described at /docs. Ctrl-C ends it.

    [bold]Examples[/]

      [cyan]dlfa serve --open[/]

    One's own pipeline, beside another:

      [cyan]dlfa serve training/model-best --compare xx_dlfa_ner[/]
    """
    with plain_errors():
        from spacy.util import import_file

        from ..serve import LOOPBACK, ServeSettings, open_served, require_fastapi, serve

        require_fastapi()
        if code is not None:
            import_file("python_code", code)
        settings = ServeSettings(
            max_characters=max_characters,
            max_texts=max_texts,
            max_bytes=max_bytes,
            rate=rate,
            batch_texts=batch_texts,
            max_wait=max_wait,
        )
        names = [name for name in (model, compare) if name]
        if not quiet:
            messages().print(f"Loading {' and '.join(names)} ...", markup=False)
        pipelines = open_served(names, language=language)
        if host not in LOOPBACK:
            messages().print(
                f"--host {host}: whoever reaches this machine can use it, without a password.",
                markup=False,
            )

        def show(address: str) -> None:
            if not quiet:
                output().print(f"{address}  (Ctrl-C ends it)", markup=False, highlight=False)

        try:
            serve(
                pipelines,
                settings,
                host=host,
                port=port,
                open_page=open_page,
                on_ready=show,
            )
        except KeyboardInterrupt:
            # What was in flight has its answer.
            pass
