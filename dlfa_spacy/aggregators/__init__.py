"""From the layers of an encoder to one vector a wordpiece. Plain torch modules, one a file."""

from .double_layer_fusion import DoubleLayerFusion
from .last_layer import LastLayer
from .layer_attention import LayerAttention
from .mean_layers import MeanLayers
from .scalar_mix import ScalarMix

__all__ = ["DoubleLayerFusion", "LastLayer", "LayerAttention", "MeanLayers", "ScalarMix"]
