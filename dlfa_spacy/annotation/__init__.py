"""Corpora of any size, annotated by processes that may be killed."""

from .job import Summary, annotate
from .settings import AnnotationSettings
from .stream import annotate_stream
from .worker import ShardWorker, Task

__all__ = [
    "AnnotationSettings",
    "ShardWorker",
    "Summary",
    "Task",
    "annotate",
    "annotate_stream",
]
