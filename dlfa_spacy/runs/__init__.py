"""Many training and evaluation runs on one corpus, into one table that survives any crash."""

from .table import COLUMNS, read_table

__all__ = ["COLUMNS", "read_table"]
