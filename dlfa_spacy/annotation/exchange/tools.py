"""The annotation tools that there is a format for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...checks import check_choice
from . import doccano, labelstudio, prodigy
from .predict import Labels
from .records import Notes, Record


@dataclass(frozen=True)
class Tool:
    """How to write and read the files of a tool.

    write (Callable): Records, labels and the name of the pipeline, to parts of a file.
    read (Callable): A file to records.
    setup (Callable): What a project of the tool wants to be told about the labels.
    """

    write: Callable[[Iterable[Record], Labels, str], Iterator[str]]
    read: Callable[[Path, Notes], Iterator[Record]]
    setup: Callable[[Labels], str]


TOOLS = {
    "labelstudio": Tool(labelstudio.write, labelstudio.read, labelstudio.setup),
    "prodigy": Tool(prodigy.write, prodigy.read, prodigy.setup),
    "doccano": Tool(doccano.write, doccano.read, doccano.setup),
}


def find_tool(name: str) -> Tool:
    """RETURNS (Tool): The tool of that name.
    RAISES (ValueError): There is none."""
    check_choice("FORMAT", name, list(TOOLS))
    return TOOLS[name]
