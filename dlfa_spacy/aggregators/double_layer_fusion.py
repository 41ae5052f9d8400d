"""DLFA/AIF: the last layer fused with one lower layer by an element-wise attention gate."""

from typing import Literal

import torch
from thinc.api import Model
from torch import Tensor, nn

from ..types import LayerStates
from .layer_index import resolve_layer
from .model import aggregation_model
from .row_norm import row_norm

Gate = Literal["product", "sigmoid"]
Norm = Literal["batch", "layer", "none"]

# Seed of the fixed random map of `layer = "control"`: the same control in every run and process.
CONTROL_SEED = 20220821


class DoubleLayerFusion(nn.Module):
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

    def __init__(
        self,
        width: int,
        layer: int | str = -3,
        reduction: int = 4,
        gate: Gate = "product",
        norm: Norm = "batch",
    ):
        super().__init__()
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
        if not 1 <= reduction <= width:
            raise ValueError(
                f"[aggregation.reduction] = {reduction}: expected 1 to {width}, the width of the "
                "encoder. Fix: reduction = 4."
            )
        self.layer = layer
        self.gate = gate
        self.local_branch = _branch(width, width // reduction, norm)
        self.global_branch = _branch(width, width // reduction, norm)
        if layer == "control":
            generator = torch.Generator().manual_seed(CONTROL_SEED)
            noise = torch.randn(width, width, generator=generator, dtype=torch.float64)
            orthogonal, _ = torch.linalg.qr(noise)
            # A buffer, saved with the weights: QR need not be the same on every machine.
            self.register_buffer("control", orthogonal.to(torch.get_default_dtype()))

    def needs(self, num_layers: int) -> list[int]:
        if isinstance(self.layer, str):
            return [num_layers]
        return sorted({resolve_layer(self.layer, num_layers), num_layers})

    def gates(self, lower: Tensor, last: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        lower, last: `(N, E)`.
        lengths: `(B,)`, sums to N.
        RETURNS: W and S, `(N, E)` each.
        """
        mean = (lower + last) / 2
        windows = torch.segment_reduce(mean, "mean", lengths=lengths, axis=0)  # (B, E)
        summary = self.global_branch(windows).repeat_interleave(lengths, dim=0)  # (N, E)
        return mean, torch.sigmoid(summary + self.local_branch(mean))

    def forward(self, states: LayerStates | Tensor, lengths: Tensor) -> Tensor:
        """
        states: `(S, N, E)`.
        lengths: `(B,)`, sums to N.
        RETURNS: `(N, E)`.
        """
        last = states[-1]
        if len(last) == 0:
            return last
        if isinstance(self.layer, str):
            lower = last @ self.control.to(last)  # type: ignore[operator]
        else:
            lower = states[resolve_layer(self.layer, len(states) - 1)]
        mean, attention = self.gates(lower, last, lengths)
        weight = mean * attention if self.gate == "product" else attention  # eq. 1
        # eq. 2, written so that equal layers give exactly the last one.
        return last + weight * (lower - last)


def _branch(width: int, bottleneck: int, norm: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(width, bottleneck),
        row_norm(norm, bottleneck),
        nn.ReLU(),
        nn.Linear(bottleneck, width),
        row_norm(norm, width),
    )


def build_double_layer_fusion_v1(
    layer: int | str = -3,
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
