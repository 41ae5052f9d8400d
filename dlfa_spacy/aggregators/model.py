"""The thinc side of an aggregator: one wrapper for all of them."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from thinc.api import Model
from torch import Tensor

from ..types import LayerStates
from .contract import Aggregator
from .shim import AggregatorShim, no_gradients

# (states, lengths) -> vectors (N, E); its backward pass gives {l: gradient of H^l (N, E)}
AggregationInput = tuple[LayerStates, Tensor]


def aggregation_model(
    name: str, kind: type[Aggregator], settings: dict[str, Any], lr_scale: float
) -> Model[AggregationInput, Tensor]:
    """Wrap an aggregator for a listener.

    name (str): Name of the thinc node.
    kind (type): The class of the torch module.
    settings (Dict[str, Any]): Its settings, as they stand in the config.
    lr_scale (float): Learning rate of its parameters relative to the encoder's.
    RETURNS (Model): A model whose module is made when the encoder is known.
    RAISES (ValueError): A setting that no encoder could make right.
    """
    if lr_scale < 0:
        raise ValueError(
            f"[aggregation.lr_scale] = {lr_scale}: expected 0 or more. Fix: 1.0 trains the "
            "aggregator at the encoder's rate."
        )
    # A wrong setting is an error when the config is read, not when training begins.
    kind.check(**settings)
    factory = functools.partial(kind.for_encoder, **settings)
    return Model(name, forward, shims=[AggregatorShim(kind, settings, lr_scale, factory)])


def forward(
    model: Model[AggregationInput, Tensor], inputs: AggregationInput, is_train: bool
) -> tuple[Tensor, Callable[[Tensor], dict[int, Tensor]]]:
    states, lengths = inputs
    shim = aggregator_shim(model)
    module, use = shim.module, shim.use
    if not is_train:
        with use.predicting(module), torch.no_grad():
            return module(states, lengths), no_gradients
    leaves = states.detached()
    with use.training(module):
        vectors = module(leaves, lengths)

    def backprop(d_vectors: Tensor) -> dict[int, Tensor]:
        if not vectors.requires_grad:
            # No weights of its own, over a frozen encoder.
            return {}
        torch.autograd.backward((vectors,), (d_vectors.to(vectors.dtype),))
        return {layer: leaf.grad for layer, leaf in leaves.layers.items() if leaf.grad is not None}

    return vectors, backprop


def aggregator_shim(model: Model[AggregationInput, Tensor]) -> AggregatorShim:
    shim = model.shims[0] if model.shims else None
    if not isinstance(shim, AggregatorShim):
        raise ValueError(
            f'[aggregation] is the layer "{model.name}", which is not an aggregator. Expected one '
            'of the layers of dlfa_spacy. Fix: @layers = "dlfa_spacy.LayerAttention.v1".'
        )
    return shim


def needed_layers(model: Model[AggregationInput, Tensor], num_layers: int) -> list[int]:
    """RETURNS (List[int]): The l of every H^l that the aggregator reads; the last one as long as
    it has no weights, which is while spaCy infers shapes."""
    shim = aggregator_shim(model)
    if not shim.is_built:
        return [num_layers]
    return shim.module.needs(num_layers)


def aggregate(
    model: Model[AggregationInput, Tensor], states: LayerStates, lengths: Tensor
) -> Tensor:
    """RETURNS (Tensor): `(N, E)`, for prediction; the last layer as long as it has no weights."""
    if not aggregator_shim(model).is_built:
        return states[-1]
    return model.predict((states, lengths))
