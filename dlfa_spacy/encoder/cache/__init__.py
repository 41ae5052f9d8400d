"""The layers of a frozen encoder, kept: each text is encoded once."""

from .layer_cache import LayerCache
from .store import LayerStore, MemoryStore, part_name

__all__ = ["LayerCache", "LayerStore", "MemoryStore", "part_name"]
