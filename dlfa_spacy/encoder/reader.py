"""Who reads an encoder."""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Readership:
    """Who reads an encoder, and how: one object, so that no thread sees half of a change.

    readers (Optional[Mapping[str, Reader]]): None: somebody unknown, so every layer is kept on the
        Doc.
    max_batch_items (Optional[int]): Padded wordpieces in one forward pass. None: what suits the
        device.
    takes_gradients (bool): Whether any reader sends gradients (grad_factor). If not, it
        is frozen.
    """

    readers: Mapping[str, Reader] | None = None
    max_batch_items: int | None = None
    takes_gradients: bool = True

    def layers(self, num_layers: int) -> list[int]:
        """RETURNS (List[int]): The layers that are read."""
        if self.readers is None:
            return list(range(num_layers + 1))
        needed = {layer for reader in self.readers.values() for layer in reader.needs(num_layers)}
        return sorted(needed) or [num_layers]
