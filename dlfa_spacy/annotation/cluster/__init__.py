"""The same shards, annotated by the machines of a Ray cluster."""

from .connection import require_ray
from .team import RayTeam

__all__ = ["RayTeam", "require_ray"]
