"""How sure a pipeline is of what it says: the component, its scores, and their temperatures."""

from .component import Confidence, find_confidence, make_confidence
from .fit import Fitted, calibrate

__all__ = ["Confidence", "Fitted", "calibrate", "find_confidence", "make_confidence"]
