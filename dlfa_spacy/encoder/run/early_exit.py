"""Run an encoder only up to the highest layer that somebody reads."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn


class _HighestLayerReached(Exception):
    """Carries no message: it never leaves this module."""


def find_blocks(transformer: nn.Module, num_layers: int) -> nn.ModuleList | None:
    """RETURNS (Optional[ModuleList]): The transformer's blocks, where they are one plain list."""
    for module in transformer.modules():
        if isinstance(module, nn.ModuleList) and len(module) == num_layers:
            return module
    return None


def run_up_to(
    transformer: nn.Module,
    blocks: nn.ModuleList,
    layers: list[int],
    kwargs: Mapping[str, Any],
) -> dict[int, Tensor]:
    """Compute some lower layers and stop.

    transformer (Module): A Hugging Face encoder.
    blocks (ModuleList): Its blocks; block k turns H^k into H^(k+1).
    layers (List[int]): The layers wanted, all below the last one.
    kwargs (Mapping): The arguments of the forward pass.
    RETURNS (Dict[int, Tensor]): H^l `(B, T, E)` of each, with its graph if gradients are on.
    """
    found: dict[int, Tensor] = {}
    top = max(layers)
    own = threading.get_ident()

    def keep(layer: int) -> Callable[..., None]:
        def hook(
            module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
        ) -> None:
            # Another thread runs the same blocks. If it has looked up this hook just before it is
            # removed, it calls it without kwargs.
            if threading.get_ident() != own:
                return
            if layer in layers:
                found[layer] = args[0] if args else (kwargs or {})["hidden_states"]
            if layer == top:
                raise _HighestLayerReached

        return hook

    handles = [
        blocks[layer].register_forward_pre_hook(keep(layer), with_kwargs=True)
        for layer in range(top + 1)
    ]
    try:
        transformer(**kwargs)
    except _HighestLayerReached:
        return found
    finally:
        for handle in handles:
            handle.remove()
    raise RuntimeError("The encoder ran through without calling its blocks in order.")
