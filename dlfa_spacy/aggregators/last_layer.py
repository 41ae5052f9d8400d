"""The baseline: what stock spaCy listens to, through the same code path as everything else."""

from collections.abc import Mapping
from typing import Any

from thinc.api import Model
from torch import Tensor

from ..types import LayerStates
from .contract import Aggregator
from .model import aggregation_model


class LastLayer(Aggregator):
    """M = H^L. No parameters."""

    short_name = "last"

    @classmethod
    def for_encoder(cls, width: int, num_layers: int, **settings: Any) -> "LastLayer":
        return cls(**settings)

    @classmethod
    def vectors_name(cls, settings: Mapping[str, Any]) -> str:
        # Where stock listeners read it.
        return "last_hidden_state"

    def needs(self, num_layers: int) -> list[int]:
        return [num_layers]

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`, of which `states[-1]` is read.
        lengths: `(B,)`, not used.
        RETURNS: `(N, E)`.
        """
        return states[-1]


def build_last_layer_v1(lr_scale: float = 1.0) -> Model:
    """Listen to the last layer only: the baseline every table is compared with.

    lr_scale (float): Accepted by every aggregator; this one has no parameters.
    CREATES: The aggregation of a `dlfa_spacy.TransformerListener.v1`.

    ```ini
    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.LastLayer.v1"
    ```
    """
    return aggregation_model("last_layer", LastLayer, {}, lr_scale)
