"""Labels of an English pipeline carried over to translations: silver corpora to train on."""

from .carry import Carried, carry
from .corpus import silver_docs, write_silver
from .links import EncoderLinks
from .silver import DROP, LABELS, MASK, REASONS, Projection, Tally, project

__all__ = [
    "DROP",
    "LABELS",
    "MASK",
    "REASONS",
    "Carried",
    "EncoderLinks",
    "Projection",
    "Tally",
    "carry",
    "project",
    "silver_docs",
    "write_silver",
]
