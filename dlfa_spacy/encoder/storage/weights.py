"""An encoder's weights as safetensors: every one is saved, and loading fails on any that does not
fit instead of leaving it random."""

from collections.abc import Sequence

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ..pooler import drop_pooler
from .int4_embedding import Int4Embedding
from .int4_linear import Int4Linear
from .placing import place_layers
from .uninitialized import without_random_weights

STORAGE = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
# Constant tables that transformers has kept in, and left out of, checkpoints over the years.
CONSTANT_BUFFERS = ("position_ids", "token_type_ids")
# What stands for the weight of a layer in four bits.
PACKED = ("nibbles", "scales")


def int4_layers(transformer: nn.Module) -> list[str]:
    """RETURNS (List[str]): The names of layers that are saved in four bits: packed rows, and Linear
    layers that are still what they were when they came."""
    return [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, Int4Embedding)
        or (isinstance(module, Int4Linear) and module.is_packed)
    ]


def save_weights(transformer: nn.Module, storage: str, int4: Sequence[str]) -> bytes:
    """
    transformer (Module): The encoder.
    storage (str): One of STORAGE: how floats are saved.
    int4 (Sequence[str]): What `int4_layers` says.
    RETURNS (bytes): safetensors.
    """
    state = _state(transformer, int4)
    # safetensors refuses tensors that share memory, as tied weights do. Halves and doubles are the
    # scales of packed layers, and stay what they are.
    own = {
        name: (tensor.to(STORAGE[storage]) if tensor.dtype == torch.float32 else tensor)
        .detach()
        .cpu()
        .contiguous()
        .clone()
        for name, tensor in state.items()
    }
    return save_tensors(own, metadata={"format": "pt"})


def load_weights(
    transformer: nn.Module, weights: bytes, storage: str = "float32", int4: Sequence[str] = ()
) -> None:
    """Load what `save_weights` wrote.

    transformer (Module): Of the right architecture; changed in place.
    weights (bytes): safetensors.
    storage (str), int4 (Sequence[str]): As they were saved.
    RAISES (ValueError): The bytes are damaged, or a weight is missing, surplus or misshapen.
    """
    try:
        state = load_tensors(weights)
    except SafetensorError as error:
        raise ValueError(
            f"The encoder's weights are damaged: {error}. Fix: copy or train the pipeline again."
        ) from error
    if not any(key.startswith("pooler.") for key in state):
        # It had none when it was saved.
        drop_pooler(transformer)
    with without_random_weights():
        place_layers(transformer, int4, Int4Linear, Int4Embedding, "in four bits")
    own = _state(transformer, int4)
    missing = [k for k in own if k not in state and not k.endswith(CONSTANT_BUFFERS)]
    surplus = [k for k in state if k not in own and not k.endswith(CONSTANT_BUFFERS)]
    misshapen = [
        f"{k} {tuple(state[k].shape)} instead of {tuple(own[k].shape)}"
        for k in own
        if k in state and state[k].shape != own[k].shape
    ]
    misshapen += [
        f"{k} {state[k].dtype} instead of {_saved_type(own[k].dtype, storage)}"
        for k in own
        if k in state and state[k].dtype != _saved_type(own[k].dtype, storage)
    ]
    if missing or surplus or misshapen:
        raise ValueError(
            "The encoder's weights do not fit its configuration: "
            f"missing {missing[:5]}, surplus {surplus[:5]}, of another shape or type "
            f"{misshapen[:5]}. Loading them would leave part of the encoder random. Fix: copy or "
            "train the pipeline again, or use the version of transformers that saved it."
        )
    for name in int4:
        layer = transformer.get_submodule(name)
        nibbles, scales = (state.pop(f"{name}.{part}") for part in PACKED)
        if isinstance(layer, Int4Linear):
            layer.set_packed(nibbles, scales)
        elif isinstance(layer, Int4Embedding):
            # Not copied: they are most of what there is.
            layer.nibbles, layer.scales = nibbles, scales
    transformer.load_state_dict(state, strict=False)


def _state(transformer: nn.Module, int4: Sequence[str]) -> dict[str, Tensor]:
    """RETURNS (Dict[str, Tensor]): What is saved: for layers in four bits their packed form."""
    state = transformer.state_dict()
    for name in int4:
        layer = transformer.get_submodule(name)
        if isinstance(layer, Int4Linear):
            del state[f"{name}.weight"]
            state.update({f"{name}.{part}": getattr(layer, part) for part in PACKED})
    return state


def _saved_type(dtype: torch.dtype, storage: str) -> torch.dtype:
    return STORAGE[storage] if dtype == torch.float32 else dtype
