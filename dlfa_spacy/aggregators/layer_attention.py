"""Attention over the layers, one distribution per token: the default aggregator."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from thinc.api import Model
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ..types import LayerStates
from .contract import Aggregator, Replacement
from .layer_dropout import DROPPED, check_dropout, dropped_layers
from .layer_index import check_layer_count
from .model import aggregation_model
from .selected_layers import selected


class LayerAttention(Aggregator):
    """Every token weights all layers by a learned query.

        s_{t,l} = q . (K H^l_t) / sqrt(d_k) + b_l
        a_t     = softmax_l(s_t)
        mix_t   = sum_l a_{t,l} H^l_t
        M       = H^L + beta * (mix - H^L)        (residual; without it M = mix)

    With `residual`, beta starts at 0: the untrained module *is* the last layer, so that nothing
    the encoder learned in pretraining is lost at the first step.

    width (int): E.
    num_layers (int): Transformer layers of the encoder, L.
    key_width (int): d_k.
    residual (bool): See above.
    dropout (float): Probability of dropping a layer in a training batch; never all of them.
    """

    short_name = "attention"
    weighs_pieces = True

    def __init__(
        self,
        width: int,
        num_layers: int,
        key_width: int = 64,
        residual: bool = True,
        dropout: float = 0.1,
    ):
        super().__init__()
        self.check(key_width=key_width, dropout=dropout)
        self.num_layers = num_layers
        self.dropout = dropout
        self.query = nn.Parameter(torch.randn(key_width))
        self.key = nn.Parameter(torch.randn(key_width, width) / math.sqrt(width))
        self.bias = nn.Parameter(torch.zeros(num_layers + 1))
        self.beta = nn.Parameter(torch.zeros(1)) if residual else None

    @classmethod
    def check(cls, **settings: Any) -> None:
        check_dropout(settings["dropout"])
        if settings["key_width"] < 1:
            raise ValueError(
                f"[aggregation.key_width] = {settings['key_width']}: expected 1 or more. "
                "Fix: 64 is usual."
            )

    def needs(self, num_layers: int) -> list[int]:
        check_layer_count(self.num_layers, num_layers)
        return list(range(num_layers + 1))

    def attention(self, states: LayerStates | Tensor) -> Tensor:
        """RETURNS: `(N, S)`, the distribution of every wordpiece over the layers."""
        return _attention(*self._scoring(states), self._layers(states))

    def _layers(self, states: LayerStates | Tensor) -> list[Tensor]:
        return [states[layer] for layer in self.needs(len(states) - 1)]

    def _scoring(self, states: LayerStates | Tensor) -> tuple[Tensor, Tensor]:
        """RETURNS (Tuple[Tensor, Tensor]): `(E,)`, what layers are multiplied by, and `(S,)`, what
        is added."""
        # q . (K h) = (K'q) . h: one vector product per layer instead of a projection.
        probe = self.query @ self.key / math.sqrt(len(self.query))
        if not (self.training and self.dropout > 0.0):
            return probe, self.bias
        return probe, self.bias + DROPPED * dropped_layers(len(self.bias), self.dropout, probe)

    def layer_weights(self, states: LayerStates | Tensor | None = None) -> Tensor:
        """The weight of each layer in the output.

        states: `(S, N, E)`; without them the weights are those of a token without content (b_l).
        RETURNS: `(S,)`, the mean over the wordpieces; sums to 1.
        """
        if states is not None:
            return self.piece_weights(states).mean(dim=0)
        with torch.no_grad():
            return self._with_last(F.softmax(self.bias, dim=0))

    def piece_weights(self, states: LayerStates | Tensor) -> Tensor:
        with torch.no_grad():
            return self._with_last(self.attention(states))

    def _with_last(self, weights: Tensor) -> Tensor:
        if self.beta is None:
            return weights
        last = F.one_hot(torch.tensor(self.num_layers), weights.shape[-1]).to(weights)
        return last + self.beta * (weights - last)

    def may_lose(self, num_layers: int) -> list[int]:
        needed = self.needs(num_layers)
        # With `residual` the last layer is read in addition to the mix.
        return needed if self.beta is None else needed[:-1]

    def without(
        self, layers: Sequence[int], num_layers: int, block: Mapping[str, Any]
    ) -> Replacement:
        return selected(self, "bias", layers, num_layers, block)

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, not used.
        RETURNS: `(N, E)`.
        """
        scoring, layers = self._scoring(states), self._layers(states)
        if torch.is_grad_enabled():
            mix: Tensor = _Mix.apply(*scoring, *layers)
        else:
            mix = _mix(_attention(*scoring, layers), layers)
        if self.beta is None:
            return mix
        last = states[-1]
        return last + self.beta * (mix - last)


def _attention(probe: Tensor, bias: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """RETURNS: `(N, S)`."""
    return F.softmax(torch.stack([states @ probe for states in layers], dim=1) + bias, dim=1)


def _mix(weights: Tensor, layers: Sequence[Tensor]) -> Tensor:
    """RETURNS: `(N, E)`."""
    mix = weights[:, 0, None] * layers[0]
    for layer, states in enumerate(layers[1:], start=1):
        mix.addcmul_(weights[:, layer, None], states)
    return mix


class _Mix(torch.autograd.Function):
    """The layers by their attention, whose gradient takes half the time of autograd's: a layer gets
    it in one tensor, and nothing of the size of a layer is made only to be summed.

        dH_l = a_l G + ds_l probe'    with ds = a (g - a'g), g_l = G . H_l
    """

    @staticmethod
    def forward(ctx: Any, probe: Tensor, bias: Tensor, *layers: Tensor) -> Tensor:
        weights = _attention(probe, bias, layers)
        ctx.save_for_backward(probe, weights, *layers)
        return _mix(weights, layers)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        probe, weights, *layers = ctx.saved_tensors
        products = torch.stack([torch.linalg.vecdot(gradient, h) for h in layers], dim=1)
        scores = weights * (products - (weights * products).sum(dim=1, keepdim=True))
        by_layer = scores.T.contiguous()
        of_probe = sum(h.T @ score for h, score in zip(layers, by_layer, strict=True))
        of_layers = [
            torch.addr(weights[:, layer, None] * gradient, score, probe) if needed else None
            for layer, (score, needed) in enumerate(
                zip(by_layer, ctx.needs_input_grad[2:], strict=True)
            )
        ]
        return (of_probe, scores.sum(dim=0), *of_layers)


def build_layer_attention_v1(
    key_width: int = 64,
    residual: bool = True,
    dropout: float = 0.1,
    lr_scale: float = 20.0,
) -> Model:
    """Attention-weighted pooling over all layers, per token.

    key_width (int): Width of the query and the keys.
    residual (bool): Start exactly at the last layer and learn to leave it; without it the module
        starts near the mean of all layers.
    dropout (float): Probability of dropping a layer in a training batch; off at prediction.
    lr_scale (float): Learning rate of the weights relative to the encoder's.
    CREATES: The aggregation of a `dlfa_spacy.TransformerListener.v1`.

    ```ini
    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.LayerAttention.v1"
    key_width = 64
    ```
    """
    settings = {"key_width": key_width, "residual": residual, "dropout": dropout}
    return aggregation_model("layer_attention", LayerAttention, settings, lr_scale)
