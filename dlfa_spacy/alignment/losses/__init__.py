"""Losses of alignment, as functions of plain tensors."""

from .additive_margin import additive_margin
from .centroids import centroid_distance
from .contrastive import contrastive
from .moco import moco
from .multi_way import multi_way
from .pairs import cz_nce, info_nce
from .similarity import cosine_matrix
from .squared import squared_distance
from .words import strong_words, weak_words

__all__ = [
    "additive_margin",
    "centroid_distance",
    "contrastive",
    "cosine_matrix",
    "cz_nce",
    "info_nce",
    "moco",
    "multi_way",
    "squared_distance",
    "strong_words",
    "weak_words",
]
