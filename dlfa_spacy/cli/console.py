"""What the commands share: consoles, errors in plain words, progress."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# Wide enough for a table with three metrics when the output goes to a file or a pipe.
_PIPED_WIDTH = 120


def output() -> Console:
    """RETURNS (Console): The console for results, on stdout as it is now."""
    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)


def messages() -> Console:
    """RETURNS (Console): The console for progress and errors, on stderr as it is now."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _PIPED_WIDTH)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Show errors that a user can fix as one message, without a traceback, and exit with 1.

    YIELDS (None): Nothing.
    """
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        messages().print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from error


def progress(*, quiet: bool = False, remaining: bool = False) -> Progress:
    """Make a progress bar on stderr; silent unless it is a terminal.

    quiet (bool): Never show it.
    remaining (bool): Show the time that is left in place of what has passed.
    RETURNS (Progress): The bar.
    """
    console = messages()
    return Progress(
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn() if remaining else TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )


def comma_list(value: str) -> list[str]:
    """Split `de,fr` or `de, fr`.

    value (str): Names separated by commas.
    RETURNS (List[str]): The names, without empty ones.
    """
    return [name.strip() for name in value.split(",") if name.strip()]


def number(option: str, value: str, kind: type[int] | type[float]) -> Any:
    """Read a number.

    option (str): The option that it was given to.
    value (str): What was given.
    kind (Union[Type[int], Type[float]]): What it must be.
    RETURNS (Union[int, float]): The number.
    RAISES (ValueError): It is none.
    """
    try:
        return kind(value)
    except ValueError as error:
        raise ValueError(
            f"{option}: found {value!r}, expected {'a whole number' if kind is int else 'a number'}"
            f". Fix: {option} 1."
        ) from error


def shown(path: Path) -> str:
    """Show a path inside rich markup.

    path (Path): The path.
    RETURNS (str): It, with brackets escaped.
    """
    return escape(str(path))
