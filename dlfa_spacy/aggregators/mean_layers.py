"""The free baseline of every layer mix: a fixed mean of some layers."""

from collections.abc import Mapping, Sequence
from typing import Any

from thinc.api import Model
from torch import Tensor

from ..types import LayerStates
from .contract import Aggregator, Replacement, same_weights
from .layer_index import resolve_layer
from .model import aggregation_model


class MeanLayers(Aggregator):
    """M = mean of H^l over the layers given. No parameters.

    layers (Sequence[int]): Layer numbers, 0 = embeddings; negative ones count from the end.
    """

    short_name = "mean"

    def __init__(self, layers: Sequence[int]):
        super().__init__()
        self.check(layers=layers)
        self.layers = [int(layer) for layer in layers]

    @classmethod
    def for_encoder(cls, width: int, num_layers: int, **settings: Any) -> "MeanLayers":
        return cls(**settings)

    @classmethod
    def check(cls, **settings: Any) -> None:
        if not settings["layers"]:
            raise ValueError(
                "[aggregation.layers] = []: a mean needs at least one layer. "
                "Fix: layers = [-4, -3, -2, -1]."
            )

    def renumbered(self, num_layers: int, top: int, block: Mapping[str, Any]) -> Replacement:
        return Replacement({**block, "layers": self.needs(num_layers)}, same_weights(self))

    def needs(self, num_layers: int) -> list[int]:
        resolved = {resolve_layer(x, num_layers, "aggregation.layers") for x in self.layers}
        return sorted(resolved)

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, not used.
        RETURNS: `(N, E)`.
        """
        needed = self.needs(len(states) - 1)
        total = states[needed[0]]
        for layer in needed[1:]:
            total = total + states[layer]
        return total / len(needed)


def build_mean_layers_v1(layers: list[int], lr_scale: float = 1.0) -> Model:
    """A fixed mean of the layers listed.

    layers (List[int]): Which layers, 0 = embeddings; negative numbers count from the end.
    lr_scale (float): Accepted by every aggregator; this one has no parameters.
    CREATES: The aggregation of a `dlfa_spacy.TransformerListener.v1`.

    ```ini
    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.MeanLayers.v1"
    layers = [-4, -3, -2, -1]
    ```
    """
    return aggregation_model("mean_layers", MeanLayers, {"layers": list(layers)}, lr_scale)
