"""An aggregation that sees some of the layers as if there were no others."""

import copy
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from thinc.api import Model
from torch import Tensor

from ..types import LayerStates
from .contract import Aggregator, Replacement, same_weights
from .layer_index import resolve_layer
from .model import AggregationInput, aggregator_shim, forward
from .shim import AggregatorShim, ModuleFactory

SELECTED = "dlfa_spacy.SelectedLayers.v1"


class SelectedLayers(Aggregator):
    """M = inner(H^l1, ..., H^lk): layers that are not named do not take part.

    The softmax of a `ScalarMix` or `LayerAttention` over the layers that are left is the one over
    all layers, with the weights of the others set to 0 and the rest renormalized.

    inner (Module): A `ScalarMix` or `LayerAttention` for an encoder of `len(layers) - 1` layers.
    layers (Sequence[int]): Layer numbers, 0 = embeddings; negative ones count from the end.
    num_layers (Optional[int]): L of the encoder, where it is known.
    """

    def __init__(self, inner: Aggregator, layers: Sequence[int], num_layers: int | None = None):
        super().__init__()
        if inner.layer_weights() is None:
            raise ValueError(
                f"[aggregation.aggregation] is a {type(inner).__name__}, which does not weight "
                "layers. Expected dlfa_spacy.ScalarMix.v1 or dlfa_spacy.LayerAttention.v1. "
                "Fix: use one of them, or put it in place of dlfa_spacy.SelectedLayers.v1."
            )
        self.inner = inner
        self.layers = [int(layer) for layer in layers]
        self.num_layers = num_layers
        self.weighs_pieces = inner.weighs_pieces

    def needs(self, num_layers: int) -> list[int]:
        resolved = self._resolve(num_layers)
        inner_needs = self.inner.needs(len(resolved) - 1)
        return [resolved[i] for i in inner_needs]

    def layer_weights(self, states: LayerStates | Tensor | None = None) -> Tensor:
        """RETURNS: `(S,)`, the inner weights at their layers, 0 elsewhere. Without states up to
        the highest layer that can be told."""
        top = self._top() if states is None else len(states) - 1
        weights = self.inner.layer_weights(None if states is None else self._select(states))
        assert weights is not None
        return self._placed(weights, top)

    def piece_weights(self, states: LayerStates | Tensor) -> Tensor:
        weights = self.inner.piece_weights(self._select(states))
        assert weights is not None
        return self._placed(weights, len(states) - 1)

    def _top(self) -> int:
        """RETURNS (int): The depth of the encoder; a lower bound of it if it was never told."""
        if self.num_layers is not None:
            return self.num_layers
        return max(x if x >= 0 else -x - 1 for x in self.layers)

    def _placed(self, weights: Tensor, top: int) -> Tensor:
        places = torch.tensor(self._resolve(top), device=weights.device)
        zeros = torch.zeros((*weights.shape[:-1], top + 1)).to(weights)
        return zeros.index_copy(-1, places, weights)

    def renumbered(self, num_layers: int, top: int, block: Mapping[str, Any]) -> Replacement:
        numbers = self._resolve(num_layers)
        return Replacement({**copy.deepcopy(dict(block)), "layers": numbers}, same_weights(self))

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
    shim = AggregatorShim(SelectedLayers, settings, inner.lr_scale, factory)
    shim.variant = f"{inner.variant}@{','.join(map(str, chosen))}"
    return Model("selected_layers", forward, shims=[shim])


def selected(
    module: Aggregator,
    name: str,
    layers: Sequence[int],
    num_layers: int,
    block: Mapping[str, Any],
) -> Replacement:
    """RETURNS (Replacement): An aggregator that reads some layers of those that it read.

    module (Aggregator): Reads a run of layers up to the last one, and has a number for each.
    name (str): The parameter that holds these numbers.
    layers (Sequence[int]): Those that leave.
    num_layers (int): L.
    block (Mapping[str, Any]): Its config.
    """
    read = module.needs(num_layers)
    kept = [layer for layer in read if layer not in layers]
    state = same_weights(module)
    state[name] = state[name][[layer - read[0] for layer in kept]]
    return Replacement(
        {"@layers": SELECTED, "layers": kept, "aggregation": dict(block)},
        {f"inner.{key}": value for key, value in state.items()},
    )


def _make_module(
    factory: ModuleFactory, layers: list[int], width: int, num_layers: int
) -> SelectedLayers:
    return SelectedLayers(factory(width, len(layers) - 1), layers, num_layers)
