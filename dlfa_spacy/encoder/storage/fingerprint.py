"""A name for an encoder: the same for the same weights, another for any other."""

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

# Fields of a configuration that belong to all of them change nothing that is computed, but these.
COMPUTING = ("model_type", "pad_token_id")
# What weights start with, and what training does.
TRAINING = ("dropout", "drop_prob", "initializer", "layerdrop", "use_cache")


def fingerprint(transformer: nn.Module, floats: torch.dtype = torch.float32) -> str:
    """Name an encoder by everything that changes what it computes, and by nothing else.

    transformer (Module): The encoder.
    floats (dtype): How its floats are saved: one that was saved in half precision and loaded again
        has the same name.
    RETURNS (str): 32 hexadecimal digits.
    """
    seen = hashlib.blake2b(digest_size=16)
    seen.update(repr(sorted(_settings(transformer.config).items())).encode("utf-8"))
    for name, tensor in sorted(transformer.state_dict().items()):
        if not isinstance(tensor, Tensor) or name.endswith(("position_ids", "token_type_ids")):
            continue
        saved = tensor.to(floats) if tensor.dtype == torch.float32 else tensor
        seen.update(f"{name}{tuple(saved.shape)}{saved.dtype}".encode())
        seen.update(_bytes(saved))
    return seen.hexdigest()


def weights_state(transformer: nn.Module) -> int:
    """RETURNS (int): A number that is another one after a weight has been changed or replaced, in
    this process. Cheap enough to ask for every batch."""
    tensors: Iterable[Tensor] = (*transformer.parameters(), *transformer.buffers())
    return hash(tuple((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors))


def _settings(config: Any) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): What a configuration says beside the defaults, so that a version of
    transformers that knows more settings gives the same."""
    ignored = set(PretrainedConfig().to_dict()) - set(COMPUTING)
    return {
        key: value
        for key, value in config.to_diff_dict().items()
        if key not in ignored and not any(word in key for word in TRAINING)
    }


def _bytes(tensor: Tensor) -> Any:
    # numpy has no bfloat16.
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
