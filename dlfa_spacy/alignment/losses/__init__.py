"""Losses of alignment, as functions of plain tensors."""

from .additive_margin import additive_margin
from .attention import attention_distance, attention_maps, attention_of_words, means_apart
from .centroids import centroid_distance
from .contrastive import contrastive
from .moco import moco
from .multi_way import multi_way
from .pairs import cz_nce, info_nce
from .senses import move_centres, nearest_sense, principal_axes, sense_loss
from .similarity import cosine_matrix
from .squared import squared_distance
from .words import strong_words, weak_words

__all__ = [
    "additive_margin",
    "attention_distance",
    "attention_maps",
    "attention_of_words",
    "centroid_distance",
    "contrastive",
    "cosine_matrix",
    "cz_nce",
    "info_nce",
    "means_apart",
    "moco",
    "move_centres",
    "multi_way",
    "nearest_sense",
    "principal_axes",
    "sense_loss",
    "squared_distance",
    "strong_words",
    "weak_words",
]
