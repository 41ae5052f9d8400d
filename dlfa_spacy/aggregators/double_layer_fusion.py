"""DLFA/AIF: the last layer fused with one lower layer by an element-wise attention gate."""

import copy
from collections.abc import Mapping
from typing import Any, Literal

import torch
from thinc.api import Model
from torch import Tensor, nn

from ..types import LayerStates
from .contract import Aggregator, Gate
from .layer_index import resolve_layer
from .model import aggregation_model
from .row_norm import check_norm, row_norm

GateKind = Literal["product", "sigmoid"]
Norm = Literal["batch", "layer", "none"]

# Seed of the fixed random map of `layer = "control"`: the same control in every run and process.
CONTROL_SEED = 20220821
# D_10 of the paper's 12 layers.
DEFAULT_LAYER = -3


class DoubleLayerFusion(Aggregator):
    """Fuse H^x (lower) with H^L (last) by a gate with a local and a global branch.

        W       = (H^x + H^L) / 2
        local   = N2(C2(ReLU(N1(C1(W)))))            C1: E -> E/r, C2: E/r -> E
        global  = the same stack, own parameters, on the mean of W over each encoded window
        S       = sigmoid(global (+) local)
        W'      = W * S                              eq. 1, gate = "product"
        M       = H^x * W' + H^L * (1 - W')          eq. 2  (gate = "sigmoid": S instead of W')

    Packed rows make the paper's kernel-1 convolutions plain Linear layers and keep padding out of
    the statistics and of the mean. The literal gate of eq. 1 is a product with its own input, so
    it is not confined to [0, 1]; "sigmoid" is the form of AFF (Dai et al. 2021), without its
    factor 2.

    width (int): E.
    layer (int or "control"): x of H^x; 0 = embeddings, negative numbers count from the end (-3 is
        the paper's D_10 of a 12-layer encoder). "control" fuses the last layer with a fixed random
        orthogonal map of itself: the same parameters, no information from a lower layer.
    reduction (int): r, the bottleneck.
    gate ("product" or "sigmoid"): See above.
    norm ("batch", "layer" or "none"): What follows each Linear. "batch" is the paper's; its
        running statistics come from the source language alone.

    Source: Chen, Guo, Liu, Tao: Feature Aggregation in Zero-Shot Cross-Lingual Transfer Using
    Multilingual BERT, ICPR 2022, eq. 1 and 2.
    """

    short_name = "dlfa"
    has_gate = True

    def __init__(
        self,
        width: int,
        layer: int | str = DEFAULT_LAYER,
        reduction: int = 4,
        gate: GateKind = "product",
        norm: Norm = "batch",
    ):
        super().__init__()
        self.check(layer=layer, reduction=reduction, gate=gate, norm=norm)
        if reduction > width:
            raise ValueError(
                f"[aggregation.reduction] = {reduction}: expected 1 to {width}, the width of the "
                "encoder. Fix: reduction = 4."
            )
        self.layer = layer
        self.gate_kind = gate
        self.local_branch = _branch(width, width // reduction, norm)
        self.global_branch = _branch(width, width // reduction, norm)
        if layer == "control":
            generator = torch.Generator().manual_seed(CONTROL_SEED)
            noise = torch.randn(width, width, generator=generator, dtype=torch.float64)
            orthogonal, _ = torch.linalg.qr(noise)
            # A buffer, saved with the weights: QR need not be the same on every machine.
            self.register_buffer("control", orthogonal.to(torch.get_default_dtype()))

    @classmethod
    def for_encoder(cls, width: int, num_layers: int, **settings: Any) -> "DoubleLayerFusion":
        return cls(width, **settings)

    @classmethod
    def check(cls, **settings: Any) -> None:
        gate, layer, reduction = (settings[key] for key in ("gate", "layer", "reduction"))
        if gate not in ("product", "sigmoid"):
            raise ValueError(
                f'[aggregation.gate] = "{gate}": expected "product" (the paper, eq. 1) or '
                '"sigmoid" (AFF). Fix: gate = "product".'
            )
        if isinstance(layer, str) and layer != "control":
            raise ValueError(
                f'[aggregation.layer] = "{layer}": expected a layer number or "control". '
                "Fix: layer = -3."
            )
        if reduction < 1:
            raise ValueError(
                f"[aggregation.reduction] = {reduction}: expected 1 to the width of the encoder. "
                "Fix: reduction = 4."
            )
        check_norm(settings["norm"])

    @classmethod
    def variant(cls, settings: Mapping[str, Any]) -> str:
        gate, layer = settings.get("gate", "product"), settings.get("layer", DEFAULT_LAYER)
        if layer == "control":
            return "control" if gate == "product" else f"control-{gate}"
        return f"dlfa-{gate}" + ("" if layer == DEFAULT_LAYER else f"@{layer}")

    def needs(self, num_layers: int) -> list[int]:
        if isinstance(self.layer, str):
            return [num_layers]
        return sorted({resolve_layer(self.layer, num_layers), num_layers})

    def gate(self, states: LayerStates | Tensor, lengths: Tensor) -> Gate:
        layer = self.layer
        if not isinstance(layer, str):
            layer = resolve_layer(layer, len(states) - 1)
        weight, attention = self._gate(self._lower(states), states[-1], lengths)
        return Gate(weight, attention, layer, self.gate_kind)

    def exportable(self) -> nn.Module:
        same = copy.copy(self)
        same.__class__ = _Exportable
        return same

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, sums to N.
        RETURNS: `(N, E)`.
        """
        last = states[-1]
        if len(last) == 0:
            return last
        lower = self._lower(states)
        weight, _ = self._gate(lower, last, lengths)
        # eq. 2, written so that equal layers give exactly the last one.
        return last + weight * (lower - last)

    def _lower(self, states: LayerStates | Tensor) -> Tensor:
        """RETURNS: `(N, E)`, H^x or what stands for it."""
        if isinstance(self.layer, str):
            last = states[-1]
            return last @ self.control.to(last)  # type: ignore[operator]
        return states[resolve_layer(self.layer, len(states) - 1)]

    def _gate(self, lower: Tensor, last: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """RETURNS: `(N, E)` each: what H^x is multiplied by, and S."""
        mean = (lower + last) / 2
        attention = torch.sigmoid(self._global(mean, lengths) + self.local_branch(mean))
        return (mean * attention if self.gate_kind == "product" else attention), attention  # eq. 1

    def _global(self, mean: Tensor, lengths: Tensor) -> Tensor:
        """RETURNS: `(N, E)`, the global branch of each row's window."""
        # A check of the lengths, and a sum of them, would wait for a GPU.
        windows = torch.segment_reduce(
            mean, "mean", lengths=lengths, axis=0, unsafe=mean.is_cuda
        )  # (B, E)
        summary: Tensor = self.global_branch(windows)
        return summary.repeat_interleave(lengths, dim=0, output_size=len(mean))


class _Exportable(DoubleLayerFusion):
    """Without the two operators that ONNX does not have: `segment_reduce`, and
    `repeat_interleave` by numbers that are not known before."""

    def _global(self, mean: Tensor, lengths: Tensor) -> Tensor:
        ends = lengths.cumsum(0)
        # One for every row that belongs to the window.
        row = torch.arange(mean.shape[0], device=mean.device)[None, :]
        inside = (row < ends[:, None]) & (row >= (ends - lengths)[:, None])  # (B, N)
        member = inside.to(mean.dtype)
        windows = member @ mean / lengths.to(mean.dtype)[:, None]  # (B, E)
        summary: Tensor = member.T @ self.global_branch(windows)  # (N, E)
        return summary


def _branch(width: int, bottleneck: int, norm: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, bottleneck),
        row_norm(norm, bottleneck),
        nn.ReLU(),
        nn.Linear(bottleneck, width),
        row_norm(norm, width),
    )


def build_double_layer_fusion_v1(
    layer: int | str = DEFAULT_LAYER,
    reduction: int = 4,
    # Plain strings: of a Literal, pydantic would complain before the module can say what to do.
    gate: str = "product",
    norm: str = "batch",
    lr_scale: float = 20.0,
) -> Model:
    """The DLFA/AIF module of the ICPR 2022 paper.

    layer (int or str): The lower layer x of D_x, counted as H^x (0 = embeddings); negative numbers
        count from the end. "control" takes a fixed random orthogonal map of the last layer instead.
    reduction (int): Bottleneck of both branches.
    gate (str): "product" (the paper's eq. 1) or "sigmoid".
    norm (str): "batch" (the paper), "layer" or "none".
    lr_scale (float): Learning rate of the module relative to the encoder's.
    CREATES: The aggregation of a `dlfa_spacy.TransformerListener.v1`.

    ```ini
    [components.ner.model.tok2vec.aggregation]
    @layers = "dlfa_spacy.DoubleLayerFusion.v1"
    layer = -3
    gate = "product"
    ```
    """
    settings = {"layer": layer, "reduction": reduction, "gate": gate, "norm": norm}
    return aggregation_model("double_layer_fusion", DoubleLayerFusion, settings, lr_scale)
