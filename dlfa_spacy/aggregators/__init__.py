"""From the layers of an encoder to one vector per wordpiece. Plain torch modules, one per file."""

from .contract import Aggregator
from .double_layer_fusion import DoubleLayerFusion
from .last_layer import LastLayer
from .layer_attention import LayerAttention
from .mean_layers import MeanLayers
from .model import aggregation_model
from .scalar_mix import ScalarMix
from .selected_layers import SelectedLayers

__all__ = [
    "Aggregator",
    "DoubleLayerFusion",
    "LastLayer",
    "LayerAttention",
    "MeanLayers",
    "ScalarMix",
    "SelectedLayers",
    "aggregation_model",
]
