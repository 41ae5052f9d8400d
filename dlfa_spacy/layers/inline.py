"""An encoder of one component's own, and how a listener becomes one (`replace_listeners`)."""

from collections.abc import Callable, Sequence
from typing import Any

from spacy_transformers.data_classes import FullTransformerBatch, TransformerData, WordpieceBatch
from thinc.api import Model, chain
from torch import Tensor
from transformers.utils import ModelOutput

from ..aggregators.last_layer import build_last_layer_v1
from ..aggregators.model import AggregationInput, aggregate, aggregator_shim, needed_layers
from ..aggregators.shim import AggregatorShim
from ..encoder.batch import LayerBatch, pack_gradients
from ..encoder.model import TransformerModel
from ..encoder.reader import Readership
from ..types import LayerStates
from .listener import TransformerListener, send_gradients

# The slot of the vectors in the encoder's output.
INLINE_KEY = "inline"


class InlineReader:
    """The only reader of an encoder that one component has for itself."""

    def __init__(self, aggregation: Model[AggregationInput, Tensor]):
        self.aggregation = aggregation

    @property
    def shim(self) -> AggregatorShim:
        return aggregator_shim(self.aggregation)

    @property
    def has_weights(self) -> bool:
        return self.shim.is_built and self.shim.has_parameters

    @property
    def vectors_key(self) -> str:
        """Names its vectors, as with a listener."""
        return self.shim.key if self.shim.is_built else INLINE_KEY

    def needs(self, num_layers: int) -> list[int]:
        return needed_layers(self.aggregation, num_layers)

    def consume(self, states: LayerStates, lengths: Tensor) -> Tensor:
        return aggregate(self.aggregation, states, lengths)


def inline_encoder(
    transformer: TransformerModel,
    aggregation: Model[AggregationInput, Tensor],
    grad_factor: float,
) -> Model[Any, list[TransformerData]]:
    """What takes the place of a listener: the encoder and the aggregation in one.

    transformer (TransformerModel): The encoder.
    aggregation (Model): An aggregator.
    grad_factor (float): Weight of the gradients in the encoder.
    """
    readers = {INLINE_KEY: InlineReader(aggregation)}
    transformer.readership = Readership(readers, takes_gradients=grad_factor != 0.0)
    node: Model[Any, list[TransformerData]] = Model(
        "aggregate-batch",
        forward,
        init=init,
        layers=[aggregation],
        attrs={"grad_factor": grad_factor},
    )
    return chain(transformer, node)


def init(model: Model, X: Any = None, Y: Any = None) -> None:
    if isinstance(X, LayerBatch):
        width = X.outputs[INLINE_KEY].shape[-1]
        aggregator_shim(model.layers[0]).build(int(width), X.num_layers)


def forward(
    model: Model[Any, list[TransformerData]], batch: Any, is_train: bool
) -> tuple[list[TransformerData], Callable[[Sequence[TransformerData]], Any]]:
    if not isinstance(batch, LayerBatch):
        # All Docs are empty.
        return batch.doc_data, _no_gradient
    aggregation = model.layers[0]
    if not is_train:
        return batch.with_vectors(batch.outputs[INLINE_KEY]), _no_gradient
    layers = needed_layers(aggregation, batch.num_layers)
    vectors, backprop_aggregation = aggregation((batch.states.select(layers), batch.lengths), True)

    def backprop(d_data: Sequence[TransformerData]) -> FullTransformerBatch:
        d_layers = backprop_aggregation(pack_gradients(d_data, len(vectors), vectors))
        send_gradients(batch, d_layers, model.attrs["grad_factor"])
        return _no_gradient(d_data)

    return batch.with_vectors(vectors), backprop


def _no_gradient(d_data: Sequence[TransformerData]) -> FullTransformerBatch:
    """What goes down the chain: the gradients themselves went to the ledger."""
    empty = FullTransformerBatch.empty(0)
    return FullTransformerBatch([], WordpieceBatch.empty(), ModelOutput(), empty.align)


def replace_listener(
    transformer: TransformerModel, listener: Model, component: Any
) -> Model[Any, list[TransformerData]]:
    """Called by `nlp.replace_listeners` with a copy of the encoder.

    listener (Model): One of ours keeps its aggregation; a stock one reads the last layer.
    RETURNS (Model): The node that takes the listener's place.
    """
    if isinstance(listener, TransformerListener):
        listener.check_encoder()
        # From now on it has its encoder beside it.
        listener.shim.encoder = None
        return inline_encoder(transformer, listener.aggregation, listener.attrs["grad_factor"])
    aggregation = build_last_layer_v1()
    if transformer.has_dim("nO"):
        aggregator_shim(aggregation).build(int(transformer.get_dim("nO")), transformer.num_layers)
    return inline_encoder(transformer, aggregation, 1.0)


def replace_listener_cfg(
    transformer_cfg: dict[str, Any], listener_cfg: dict[str, Any]
) -> dict[str, Any]:
    """What `replace_listener` makes, as a config block for the path of the listener.

    listener_cfg (Dict[str, Any]): The component's whole `tok2vec` block, which is all that spaCy
        hands over: the listener, or layers of thinc and spaCy around it.
    RETURNS (Dict[str, Any]): The block.
    """
    listener = _listener_block(listener_cfg) or {}
    result = dict(transformer_cfg)
    result["@architectures"] = "dlfa_spacy.Tok2VecTransformer.v1"
    result["aggregation"] = listener.get("aggregation", {"@layers": "dlfa_spacy.LastLayer.v1"})
    for key in ("pooling", "grad_factor"):
        if key in listener:
            result[key] = listener[key]
    return result


def _listener_block(block: Any) -> dict[str, Any] | None:
    """RETURNS (Optional[Dict]): The first block of a listener in a block: where there are several,
    spaCy replaces one after the other."""
    if not isinstance(block, dict):
        return None
    if str(block.get("@architectures", "")).split(".")[1:2] == ["TransformerListener"]:
        return block
    found = (_listener_block(value) for value in block.values())
    return next((listener for listener in found if listener is not None), None)
