"""To annotation tools and back: predictions for people to correct, and what they corrected."""

from .order import least_certain_first
from .predict import Labels, labels_of, predict
from .records import Entity, Notes, Record
from .texts import read_texts
from .to_corpus import ALIGNMENTS, write_corpus
from .tools import TOOLS, Tool, find_tool

__all__ = [
    "ALIGNMENTS",
    "TOOLS",
    "Entity",
    "Labels",
    "Notes",
    "Record",
    "Tool",
    "find_tool",
    "labels_of",
    "least_certain_first",
    "predict",
    "read_texts",
    "write_corpus",
]
