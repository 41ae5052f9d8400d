"""Linear layers that came in four bits: computed in floats, saved as they came."""

import torch
from torch import Tensor, nn

from .int4 import BLOCK, pack, unpack


class Int4Linear(nn.Linear):
    """A Linear layer that remembers its packed weights. It computes and trains as any other; as
    long as nobody changes its weights they are saved in four bits again, bit for bit the same.

    in_features, out_features (int), bias (bool): As in `nn.Linear`; `in_features` is a multiple of
        32.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__(in_features, out_features, bias)
        self.nibbles: Tensor
        self.scales: Tensor
        # Not persistent: whoever asks for the state means the weights.
        nibbles = torch.zeros(out_features, in_features // 2, dtype=torch.uint8)
        scales = torch.zeros(out_features, in_features // BLOCK, dtype=torch.float16)
        self.register_buffer("nibbles", nibbles, persistent=False)
        self.register_buffer("scales", scales, persistent=False)

    def set_packed(self, nibbles: Tensor, scales: Tensor) -> None:
        """Take weights as `unpack` reads them."""
        self.nibbles, self.scales = nibbles, scales
        with torch.no_grad():
            self.weight.copy_(unpack(nibbles, scales))

    @property
    def is_packed(self) -> bool:
        """Whether the weights are still those that were packed."""
        return torch.equal(self.weight, unpack(self.nibbles, self.scales))


def plain_linear(layer: nn.Linear) -> nn.Linear:
    """RETURNS (Linear): An ordinary layer that shares the weights of one that may be packed."""
    if not isinstance(layer, Int4Linear):
        return layer
    made = nn.Linear(1, 1, bias=False)
    made.in_features, made.out_features = layer.in_features, layer.out_features
    made.weight, made.bias = layer.weight, layer.bias
    return made


def pack_linear(layer: nn.Linear) -> Int4Linear:
    """RETURNS (Int4Linear): The same layer with its weights rounded."""
    made = Int4Linear(layer.in_features, layer.out_features, layer.bias is not None)
    made.to(layer.weight.device)
    made.set_packed(*pack(layer.weight))
    if layer.bias is not None:
        made.bias.data.copy_(layer.bias.data)
    return made


def pack_linears(transformer: nn.Module) -> list[str]:
    """Round the weights of an encoder's Linear layers, but not of those that are packed already. A
    pooler is left as it is.

    transformer (Module): Changed in place.
    RETURNS (List[str]): The names of the layers.
    RAISES (ValueError): A layer that cannot be packed. Then none is.
    """
    made = {
        name: pack_linear(module)
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear)
        and not (isinstance(module, Int4Linear) and module.is_packed)
        and not name.startswith("pooler")
    }
    for name, layer in made.items():
        transformer.set_submodule(name, layer)
    return list(made)
