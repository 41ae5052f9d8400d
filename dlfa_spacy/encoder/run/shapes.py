"""Whether what an encoder gives are the layers of wordpieces."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

FIX = (
    'Fix: attn_implementation = "sdpa" ([components.transformer.model] transformer_config), or '
    "choose another encoder."
)


def check_count(transformer: nn.Module, layers: Any, num_layers: int) -> None:
    """
    layers (Sequence[Tensor]): The encoder's `hidden_states`.
    num_layers (int): L.
    RAISES (ValueError): They are not the embeddings and what each block makes.
    """
    if len(layers) != num_layers + 1:
        raise ValueError(
            f"{_named(transformer)} gives {len(layers)} layers, and its num_hidden_layers is "
            f"{num_layers}. Expected {num_layers + 1}, the embeddings and the output of each "
            f"block. {FIX}"
        )


def check_shapes(
    transformer: nn.Module, hidden: Mapping[int, Tensor], windows: tuple[int, ...]
) -> None:
    """
    hidden (Mapping[int, Tensor]): H^l of each layer that was asked for.
    windows (Tuple[int, int]): `(b, T)`, what the encoder read.
    RAISES (ValueError): A layer is not `(b, T, E)`.
    """
    for layer, h in hidden.items():
        if h.shape[:2] != windows:
            raise ValueError(
                f"{_named(transformer)} gives H^{layer} in the shape {tuple(h.shape)} for "
                f"{windows[0]} windows of {windows[1]} wordpieces. Expected a vector for each "
                f"wordpiece. {FIX}"
            )


def _named(transformer: nn.Module) -> str:
    return f"[components.transformer.model] name: the encoder ({type(transformer).__name__})"
