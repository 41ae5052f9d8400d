"""An aggregation that sees some of the layers as if they were all."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from thinc.api import Model
from torch import Tensor, nn

from ..types import LayerStates
from .layer_index import resolve_layer
from .model import AggregationInput, aggregator_shim, forward
from .shim import AggregatorShim, ModuleFactory


class SelectedLayers(nn.Module):
    """M = inner(H^l1, ..., H^lk): layers that are not named do not take part.

    The softmax of a `ScalarMix` or `LayerAttention` over the layers that are left is the one over
    all layers, with the weights of the others set to 0 and the rest renormalised.

    inner (Module): A `ScalarMix` or `LayerAttention` for an encoder of `len(layers) - 1` layers.
    layers (Sequence[int]): Layer numbers, 0 = embeddings; negative ones count from the end.
    """

    def __init__(self, inner: nn.Module, layers: Sequence[int]):
        super().__init__()
        if not hasattr(inner, "layer_weights"):
            raise ValueError(
                f"[aggregation.aggregation] is a {type(inner).__name__}, which does not weigh "
                "layers. Expected dlfa_spacy.ScalarMix.v1 or dlfa_spacy.LayerAttention.v1. "
                "Fix: use one of them, or put it in place of dlfa_spacy.SelectedLayers.v1."
            )
        self.inner = inner
        self.layers = [int(layer) for layer in layers]

    def needs(self, num_layers: int) -> list[int]:
        resolved = self._resolve(num_layers)
        inner_needs = self.inner.needs(len(resolved) - 1)  # type: ignore[operator]
        return [resolved[i] for i in inner_needs]

    def layer_weights(self, states: LayerStates | Tensor | None = None) -> Tensor:
        """RETURNS: `(S,)`, the inner weights at their layers, 0 elsewhere. Without states up to the
        highest layer named."""
        top = max(self.layers) if states is None else len(states) - 1
        resolved = self._resolve(top)
        known: Any = self.inner.layer_weights
        if states is None or "states" not in known.__code__.co_varnames:
            weights = known()
        else:
            weights = known(states=self._select(states))
        return (
            torch.zeros(top + 1)
            .to(weights)
            .index_copy(0, torch.tensor(resolved, device=weights.device), weights)
        )

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, sums to N.
        RETURNS: `(N, E)`.
        """
        found: Tensor = self.inner(self._select(states), lengths)
        return found

    def _select(self, states: LayerStates | Tensor) -> LayerStates:
        num_layers = len(states) - 1
        resolved = self._resolve(num_layers)
        wanted = set(self.needs(num_layers))
        chosen = {i: states[layer] for i, layer in enumerate(resolved) if layer in wanted}
        return LayerStates(chosen, len(resolved) - 1)

    def _resolve(self, num_layers: int) -> list[int]:
        resolved = [resolve_layer(x, num_layers, "aggregation.layers") for x in self.layers]
        if not resolved or resolved != sorted(set(resolved)):
            raise ValueError(
                f"[aggregation.layers] = {self.layers}: expected at least one layer, none twice, "
                "from the lowest to the highest. Fix: put them in order."
            )
        return resolved


def build_selected_layers_v1(
    layers: list[int], aggregation: Model[AggregationInput, Tensor]
) -> Model[AggregationInput, Tensor]:
    """Let another aggregation read some of the layers only. `dlfa optimize --drop-layers` puts it
    into a config; it can be trained, too.

    layers (List[int]): Which layers, from the lowest to the highest; 0 = embeddings, negative
        numbers count from the end.
    aggregation (Model): `dlfa_spacy.ScalarMix.v1` or `dlfa_spacy.LayerAttention.v1`. The layers
        named are all that it knows.
    CREATES: The aggregation of a `dlfa_spacy.TransformerListener.v1`.

    ```ini
    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.SelectedLayers.v1"
    layers = [4, 6, 8]

    [components.ner.model.tok2vec.aggregation.aggregation]
    @layers = "dlfa_spacy.ScalarMix.v1"
    ```
    """
    inner = aggregator_shim(aggregation)
    chosen = [int(layer) for layer in layers]
    settings = {"layers": chosen, "name": aggregation.name, "aggregation": inner.settings}
    factory = functools.partial(_make_module, inner.factory, chosen)
    return Model(
        "selected_layers", forward, shims=[AggregatorShim(factory, settings, inner.lr_scale)]
    )


def _make_module(
    factory: ModuleFactory, layers: list[int], width: int, num_layers: int
) -> SelectedLayers:
    return SelectedLayers(factory(width, len(layers) - 1), layers)
