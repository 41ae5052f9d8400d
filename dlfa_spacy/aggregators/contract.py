"""What every aggregator answers, so that nothing outside this folder asks which one it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..types import LayerStates


@dataclass
class Gate:
    """How an aggregator lets a lower layer through, wordpiece by wordpiece.

    weight (Tensor): `(N, E)` what the lower layer is multiplied by.
    attention (Tensor): `(N, E)` the attention in it, within [0, 1].
    layer (Union[int, str]): The lower layer; "control" for none.
    kind (str): Which gate it is.
    """

    weight: Tensor
    attention: Tensor
    layer: int | str
    kind: str


@dataclass
class Replacement:
    """Another aggregation in the place of one.

    block (Dict[str, Any]): Its config.
    state (Dict[str, Tensor]): Its weights.
    """

    block: dict[str, Any]
    state: dict[str, Tensor]


class Aggregator(nn.Module):
    """A torch module that turns the layers of an encoder into one vector per wordpiece.

    `module(states, lengths)`: `states` is indexed by layer, `states[l]` = H^l, `(N, E)`, with H^0
    the output of the embedding layer (a tensor `(S, N, E)` does); `lengths` `(B,)` gives the
    wordpieces of each encoded window and sums to N. It returns `(N, E)`.

    A subclass implements `needs` and `forward`, names itself, and overrides what else it can
    answer. Its constructor takes `width` and `num_layers` and its settings; one that does not want
    both overrides `for_encoder`.
    """

    # In tables, reports and the names of runs.
    short_name: ClassVar[str] = ""
    # Whether its layer weights differ from wordpiece to wordpiece.
    weighs_pieces: bool = False
    # Whether it has a gate.
    has_gate: bool = False

    @classmethod
    def for_encoder(cls, width: int, num_layers: int, **settings: Any) -> Aggregator:
        """Make one when the encoder is known.

        width (int): E.
        num_layers (int): L.
        settings (Any): As they stand in the config.
        """
        return cls(width=width, num_layers=num_layers, **settings)

    @classmethod
    def check(cls, **settings: Any) -> None:
        """Check settings as far as that is possible without an encoder.

        RAISES (ValueError): One of them cannot be.
        """

    @classmethod
    def variant(cls, settings: Mapping[str, Any]) -> str:
        """RETURNS (str): The short name, and what else tells two methods in a table apart."""
        return cls.short_name or cls.__name__

    @classmethod
    def vectors_name(cls, settings: Mapping[str, Any]) -> str:
        """RETURNS (str): Names the vectors of all that have no weights and these settings."""
        return f"{cls.__name__}{dict(settings)}"

    def needs(self, num_layers: int) -> list[int]:
        """RETURNS (List[int]): The l of every H^l that it reads, from the lowest to the highest."""
        raise NotImplementedError

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, sums to N.
        RETURNS: `(N, E)`.
        """
        raise NotImplementedError

    def layer_weights(self, states: LayerStates | Tensor | None = None) -> Tensor | None:
        """The weight of each layer in the output.

        states: `(S, N, E)`; without them the weights of a wordpiece without content.
        RETURNS: `(S,)`, the mean over the wordpieces; None if it does not weight layers.
        """
        return None

    def piece_weights(self, states: LayerStates | Tensor) -> Tensor | None:
        """RETURNS: `(N, S)`, the weights of each wordpiece; None if it does not weight layers."""
        weights = self.layer_weights(states)
        if weights is None:
            return None
        rows = len(states[self.needs(len(states) - 1)[0]])
        return weights.expand(rows, -1)

    def gate(self, states: LayerStates | Tensor, lengths: Tensor) -> Gate | None:
        """RETURNS (Optional[Gate]): Its gate on some wordpieces; None if it has none."""
        return None

    def may_lose(self, num_layers: int) -> list[int]:
        """RETURNS (List[int]): The layers that `without` can leave out."""
        return []

    def without(
        self, layers: Sequence[int], num_layers: int, block: Mapping[str, Any]
    ) -> Replacement:
        """Leave out some layers, the weights of the others renormalized.

        layers (Sequence[int]): Some of `may_lose`, not all that it reads.
        num_layers (int): L.
        block (Mapping[str, Any]): Its config.
        RETURNS (Replacement): What takes its place.
        """
        raise NotImplementedError

    def renumbered(self, num_layers: int, top: int, block: Mapping[str, Any]) -> Replacement | None:
        """The same for an encoder cut after its highest layer that is read.

        num_layers (int): L.
        top (int): Layers that are left, from 1.
        block (Mapping[str, Any]): Its config.
        RETURNS (Optional[Replacement]): What takes its place; None if its layers cannot be
            renumbered.
        """
        return None

    def exportable(self) -> nn.Module:
        """RETURNS (Module): One that computes the same with operators that ONNX has."""
        return self


def same_weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """RETURNS (Dict[str, Tensor]): A copy of a module's weights."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}
