"""Zero-shot cross-lingual transfer with spaCy, through every layer of a transformer."""

from typing import Any

from .about import __version__

__all__ = ["__version__", "layer_states", "layer_weights"]


def __getattr__(name: str) -> Any:
    # spaCy finds everything through entry points: importing the package must not load torch.
    if name in ("layer_states", "layer_weights"):
        from .pipeline import inspection

        return getattr(inspection, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
