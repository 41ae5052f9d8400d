"""How sure a pipeline is of what it says: the component, its scores, and their temperatures."""

from .component import Confidence, entity_confidence, find_confidence, make_confidence
from .fit import Fitted, calibrate

__all__ = [
    "Confidence",
    "Fitted",
    "calibrate",
    "entity_confidence",
    "find_confidence",
    "make_confidence",
]
