"""The few types that the whole package shares."""

import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import numpy
import torch
from torch import Tensor

# A numpy array of integers, one dimension: what is counted and pointed at stays on the CPU.
IntArray = numpy.ndarray


class LayerStates:
    """The hidden states of one batch, packed: no padding rows, special tokens included.

    A tensor `(S, N, E)` of which only some layers were computed: `len(states)` is S (the number of
    transformer layers + 1), `states[l]` is H^l `(N, E)`, and negative numbers count from the end.

    layers (Mapping[int, Tensor]): {l: H^l}.
    num_layers (int): Depth of the encoder.
    frozen (bool): Nothing below them trains: in training they want no gradient.
    """

    def __init__(self, layers: Mapping[int, Tensor], num_layers: int, frozen: bool = False):
        self.layers = dict(layers)
        self.num_layers = num_layers
        self.frozen = frozen

    def __len__(self) -> int:
        return self.num_layers + 1

    def __iter__(self) -> Iterator[Tensor]:
        return (self[layer] for layer in range(len(self)))

    def __getitem__(self, layer: int) -> Tensor:
        index = layer + len(self) if layer < 0 else layer
        if not 0 <= index < len(self):
            # An IndexError, because iteration protocols rely on it.
            raise IndexError(f"Layer {layer} of an encoder with layers 0 to {self.num_layers}.")
        if index not in self.layers:
            raise ValueError(
                f"Layer {index} was read but not computed: only {sorted(self.layers)} were. "
                "Fix: let the aggregator's needs(num_layers) name every layer it reads."
            )
        return self.layers[index]

    def detached(self) -> "LayerStates":
        """RETURNS (LayerStates): The same values as fp32 leaves that collect gradients, unless the
        encoder is frozen."""
        leaves = {
            layer: state.detach().to(torch.float32).requires_grad_(not self.frozen)
            for layer, state in self.layers.items()
        }
        return LayerStates(leaves, self.num_layers, self.frozen)

    def select(self, layers: list[int]) -> "LayerStates":
        """RETURNS (LayerStates): Only the layers named."""
        chosen = {layer: self[layer] for layer in layers}
        return LayerStates(chosen, self.num_layers, self.frozen)


class EncoderWidth(int):
    """The width of an encoder that also tells how many layers it has, and which encoder it is.

    spaCy hands a listener one number when it meets its upstream component, `nO`. An aggregator
    needs the depth as well, and a classifier the encoder's pooler; in the stock `transformer`
    factory too, which is not ours to change.
    """

    num_layers: int
    # The TransformerModel, for as long as somebody else keeps it.
    encoder: "weakref.ref[Any] | None"

    def __new__(
        cls, width: int, num_layers: int, encoder: "weakref.ref[Any] | None" = None
    ) -> "EncoderWidth":
        self = super().__new__(cls, width)
        self.num_layers = num_layers
        self.encoder = encoder
        return self

    def __reduce__(self) -> tuple[type["EncoderWidth"], tuple[int, int]]:
        # In another process the encoder is another one.
        return EncoderWidth, (int(self), self.num_layers)
