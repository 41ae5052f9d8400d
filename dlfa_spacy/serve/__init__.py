"""A page on which a pipeline shows what it does, and the API behind it."""

from .served import ServedPipeline
from .server import LOOPBACK, serve
from .settings import ServeSettings
from .sources import open_served, require_fastapi

__all__ = [
    "LOOPBACK",
    "ServeSettings",
    "ServedPipeline",
    "open_served",
    "require_fastapi",
    "serve",
]
