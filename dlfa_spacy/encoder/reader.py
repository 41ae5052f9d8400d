"""Who reads an encoder."""

from typing import Any, Protocol

from torch import Tensor

from ..types import LayerStates


class Reader(Protocol):
    """Tells the layers it needs, and aggregates them for prediction.

    vectors_key (str): Names its vectors; readers of the same vectors share it.
    shim (Optional[AggregatorShim]): Holds its aggregation; None where there is none.
    has_weights (bool): Whether its aggregation trains.
    """

    @property
    def vectors_key(self) -> str: ...

    @property
    def shim(self) -> Any: ...

    @property
    def has_weights(self) -> bool: ...

    def needs(self, num_layers: int) -> list[int]: ...

    def consume(self, states: LayerStates, lengths: Tensor) -> Tensor: ...


class LastLayerReader:
    """Reads what stock listeners read."""

    vectors_key = "last_hidden_state"
    shim = None
    has_weights = False

    def needs(self, num_layers: int) -> list[int]:
        return [num_layers]

    def consume(self, states: LayerStates, lengths: Tensor) -> Tensor:
        return states[-1]
