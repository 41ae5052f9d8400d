"""The layers of a frozen encoder, kept: each text is encoded once."""

from .layer_cache import LayerCache
from .store import LayerStore, MemoryStore

__all__ = ["LayerCache", "LayerStore", "MemoryStore"]
