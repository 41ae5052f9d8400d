"""Methods of alignment, one file each."""

from ..training.method import Method
from .cao import Cao, CaoSettings
from .clbt import Clbt, ClbtSettings
from .create import METHODS, create_method
from .labse import Labse, LabseSettings
from .language_maps import LanguageMaps
from .ml_ctl import MlCtl, MlCtlSettings
from .ppa import Ppa, PpaSettings
from .realign import Realign, RealignSettings

__all__ = [
    "METHODS",
    "Cao",
    "CaoSettings",
    "Clbt",
    "ClbtSettings",
    "Labse",
    "LabseSettings",
    "LanguageMaps",
    "Method",
    "MlCtl",
    "MlCtlSettings",
    "Ppa",
    "PpaSettings",
    "Realign",
    "RealignSettings",
    "create_method",
]
