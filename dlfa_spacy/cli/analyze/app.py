"""The group of commands that is `dlfa analyze`."""

import typer

analyze_app = typer.Typer(
    help="Why transfer works or does not: what the layers of an encoder share between languages, "
    "and what a trained pipeline reads.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
