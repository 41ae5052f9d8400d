"""Corpora annotated at scale, by processes that may be killed, and by people."""

from .job import Summary, annotate
from .settings import AnnotationSettings
from .stream import annotate_stream
from .watcher import Watcher
from .worker import ShardWorker, Task

__all__ = [
    "AnnotationSettings",
    "ShardWorker",
    "Summary",
    "Task",
    "Watcher",
    "annotate",
    "annotate_stream",
]
