"""What is counted on the CPU, where the encoder computes."""

import torch
from torch import Tensor

from ...types import IntArray


def upload(array: IntArray, device: torch.device) -> Tensor:
    """RETURNS (Tensor): An array on a device; on a CPU it shares the memory. A GPU is not waited
    for, which takes pinned memory: torch keeps that until the copy is made."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
