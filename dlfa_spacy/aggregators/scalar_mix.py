"""One weight per layer, for all tokens: the mix of ELMo and UDify."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from thinc.api import Model
from torch import Tensor, nn

from ..types import LayerStates
from .contract import Aggregator, Replacement
from .layer_dropout import DROPPED, check_dropout, dropped_layers
from .layer_index import check_layer_count
from .model import aggregation_model
from .selected_layers import selected


class ScalarMix(Aggregator):
    """M = gamma * sum_l softmax(w)_l * Norm(H^l).

    num_layers (int): Transformer layers of the encoder, L.
    dropout (float): Probability of dropping a layer in a training batch (UDify); never all.
    norm (bool): Normalize each wordpiece's state (LayerNorm without parameters) before mixing, so
        that a weight is an importance: the raw layers differ in scale.
    embeddings (bool): Whether H^0 takes part.
    last_bias (float): Start value of the last layer's logit; 0 starts at the plain mean.

    Source: Peters et al. 2018 (N18-1202), eq. 1; layer dropout: Kondratyuk & Straka 2019.
    """

    short_name = "scalar-mix"

    def __init__(
        self,
        num_layers: int,
        dropout: float = 0.1,
        norm: bool = False,
        embeddings: bool = True,
        last_bias: float = 0.0,
    ):
        super().__init__()
        self.check(dropout=dropout)
        self.num_layers = num_layers
        self.first = 0 if embeddings else 1
        self.dropout = dropout
        self.norm = norm
        logits = torch.zeros(num_layers + 1 - self.first)
        logits[-1] = last_bias
        self.logits = nn.Parameter(logits)
        self.gamma = nn.Parameter(torch.ones(1))

    @classmethod
    def for_encoder(cls, width: int, num_layers: int, **settings: Any) -> "ScalarMix":
        return cls(num_layers, **settings)

    @classmethod
    def check(cls, **settings: Any) -> None:
        check_dropout(settings["dropout"])

    def needs(self, num_layers: int) -> list[int]:
        check_layer_count(self.num_layers, num_layers)
        return list(range(self.first, num_layers + 1))

    def layer_weights(self, states: LayerStates | Tensor | None = None) -> Tensor:
        """RETURNS: `(S,)`, the softmax of the logits; 0 for an embedding layer left out."""
        weights = F.softmax(self.logits.detach(), dim=0)
        return F.pad(weights, (self.first, 0))

    def may_lose(self, num_layers: int) -> list[int]:
        return self.needs(num_layers)

    def without(
        self, layers: Sequence[int], num_layers: int, block: Mapping[str, Any]
    ) -> Replacement:
        # The lowest layer that is left takes part, whatever its number is.
        inner = {**block, "embeddings": True}
        return selected(self, "logits", layers, num_layers, inner)

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, not used.
        RETURNS: `(N, E)`.
        """
        logits: Tensor = self.logits
        if self.training and self.dropout > 0.0:
            logits = logits + DROPPED * dropped_layers(len(logits), self.dropout, logits)
        weights = F.softmax(logits, dim=0)
        mixed: Tensor | None = None
        for i, layer in enumerate(self.needs(len(states) - 1)):
            state = states[layer]
            if self.norm:
                state = F.layer_norm(state, state.shape[-1:])
            mixed = weights[i] * state if mixed is None else mixed + weights[i] * state
        assert mixed is not None
        return self.gamma * mixed


def build_scalar_mix_v1(
    dropout: float = 0.1,
    norm: bool = False,
    embeddings: bool = True,
    last_bias: float = 0.0,
    lr_scale: float = 100.0,
) -> Model:
    """One softmax weight per layer, the same for all tokens (ELMo, UDify), with layer dropout.

    dropout (float): Probability of dropping a layer in a training batch; off at prediction.
    norm (bool): Normalize each state before mixing.
    embeddings (bool): Whether the embedding output (layer 0) takes part.
    last_bias (float): Start value of the last layer's logit: 0 starts at the mean of all layers,
        5 close to the last layer.
    lr_scale (float): Learning rate of the weights relative to the encoder's. With 1 they hardly
        move at a rate made for an encoder.
    CREATES: The aggregation of a `dlfa_spacy.TransformerListener.v1`.

    ```ini
    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.ScalarMix.v1"
    dropout = 0.1
    ```
    """
    settings = {
        "dropout": dropout,
        "norm": norm,
        "embeddings": embeddings,
        "last_bias": last_bias,
    }
    return aggregation_model("scalar_mix", ScalarMix, settings, lr_scale)
