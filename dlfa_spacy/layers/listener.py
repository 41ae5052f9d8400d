"""The listener: gets the layers from the encoder, turns them into vectors, sends gradients back."""

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from spacy_transformers.layers.listener import TransformerListener as StockListener
from spacy_transformers.pipeline_component import install_extensions
from thinc.api import Model, torch2xp, xp2torch
from torch import Tensor
from transformers.utils import ModelOutput

from ..aggregators.model import AggregationInput, aggregate, aggregator_shim, needed_layers
from ..aggregators.shim import AggregatorShim
from ..encoder.batch import (
    HIDDEN_STATES,
    OLD_WINDOW_LENGTHS,
    DocPieces,
    LayerBatch,
    pack_gradients,
    window_lengths,
)
from ..types import EncoderWidth, LayerStates

NO_UPSTREAM = (
    "A dlfa_spacy.TransformerListener.v1 has no encoder to listen to. Expected a component with "
    'factory = "dlfa_transformer" (or "transformer") and [components.transformer.model] '
    '@architectures = "dlfa_spacy.TransformerModel.v1" earlier in [nlp] pipeline, whose name '
    'matches the listener\'s `upstream`. Fix: add it before this component, or set upstream = "*".'
)
NOT_ENCODED = (
    "A dlfa_spacy.TransformerListener.v1 reads Docs that no encoder has read: they have no "
    "`_.trf_data`. Expected the encoder's component to run before. Fix: enable it (load the "
    "pipeline without `disable`), or, in training, name it in [training] annotating_components."
)
NOT_KNOWN = (
    "A dlfa_spacy.TransformerListener.v1 reads Docs that carry the vectors of another aggregation, "
    "and its own encoder is not there to read them anew. Expected Docs that were annotated by the "
    "pipeline that the component is saved with. Fix: load the pipeline with its encoder."
)
STOCK_UPSTREAM = (
    "A dlfa_spacy.TransformerListener.v1 listens to a stock encoder, which provides its last "
    "layer only. Expected [components.transformer.model] @architectures = "
    '"dlfa_spacy.TransformerModel.v1". Fix: change that line (name must be given; the other '
    "arguments are the same, and have defaults), or listen with "
    '"spacy-transformers.TransformerListener.v1".'
)


class TransformerListener(StockListener):
    """A layer that is fed by an encoder earlier in the pipeline: List[Doc] -> one set of vectors
    a Doc, aggregated from the encoder's layers.

    upstream_name (str): Name of the upstream component, or "*".
    aggregation (Model): An aggregator; the listener owns it, so that it trains, and is saved, with
        the component that listens.
    grad_factor (float): Weight of this component's gradients in the encoder.
    """

    name = "dlfa-transformer-listener"

    def __init__(
        self,
        upstream_name: str,
        aggregation: Model[AggregationInput, Tensor],
        grad_factor: float = 1.0,
    ):
        aggregator_shim(aggregation)
        # A pipeline loaded without its encoder has nobody else to make `doc._.trf_data`.
        install_extensions()
        Model.__init__(
            self,
            name=self.name,
            forward=forward,
            init=init,
            layers=[aggregation],
            dims={"nO": None},
            attrs={"grad_factor": grad_factor},
        )
        self.upstream_name = upstream_name
        self.num_layers: int | None = None
        self._encoder: weakref.ref[Any] | None = None
        self._initializing = False
        self._batch_id = None
        self._outputs = None
        self._backprop = None

    @property
    def aggregation(self) -> Model[AggregationInput, Tensor]:
        return self.layers[0]

    @property
    def shim(self) -> AggregatorShim:
        return aggregator_shim(self.aggregation)

    @property
    def has_weights(self) -> bool:
        """Whether its aggregation trains."""
        return self.shim.is_built and self.shim.has_parameters

    @property
    def vectors_key(self) -> str:
        """The slot of its vectors on a Doc. Listeners whose vectors are equal share it."""
        shim = aggregator_shim(self.aggregation)
        return shim.key if shim.is_built else f"unbuilt_{self.id}"

    @property
    def encoder(self) -> Any:
        """The upstream `TransformerModel`; None as long as, or once again when, there is none."""
        return None if self._encoder is None else self._encoder()

    def needs(self, num_layers: int) -> list[int]:
        """RETURNS (List[int]): The layers it reads."""
        return needed_layers(self.aggregation, num_layers)

    def consume(self, states: LayerStates, lengths: Tensor) -> Tensor:
        """Aggregate some windows for prediction: `(S, N, E)`, `(B,)` -> `(N, E)`."""
        return aggregate(self.aggregation, states, lengths)

    def set_dim(self, name: str, value: int, *, force: bool = False) -> None:
        """Called by every upstream component that adopts the listener, ours and the stock one.

        RAISES (ValueError): The aggregation was trained with another encoder.
        """
        # The width may have been a guess from the folder of an encoder that was saved since.
        super().set_dim(name, int(value), force=True)
        if name == "nO" and isinstance(value, EncoderWidth):
            shim, before = self.shim, self.encoder
            self.num_layers = value.num_layers
            self._encoder = shim.encoder = value.encoder
            if not shim.is_built:
                return
            shim.build(int(value), value.num_layers)
            moves = before is not None and before is not self.encoder
            if moves and shim.made_for is None and before.attrs["has_transformer"]:
                # Sourced from a pipeline that has its own.
                shim.made_for = before.shim.fingerprint()
            if self.encoder is not None and self.encoder.attrs["has_transformer"]:
                self.check_encoder()

    def check_encoder(self) -> None:
        """Compare the encoder with the one that the aggregation was trained with, once.

        RAISES (ValueError): It is another one. Shapes may agree; what the component learned of the
            layers does not.
        """
        shim = self.shim
        if shim.made_for is None or self.encoder is None:
            return
        self.encoder.load()
        if self.encoder.shim.is_onnx:
            # A graph is asked whether it holds this very aggregation (`OnnxPackedEncoder`).
            shim.made_for = None
            return
        found = self.encoder.shim.fingerprint()
        if found != shim.made_for:
            raise ValueError(
                f"A component with {type(shim.module).__name__} ([components.NAME.model.tok2vec"
                f".aggregation]) was trained with the encoder {shim.made_for}, but the encoder "
                f'it listens to (upstream = "{self.upstream_name}") is {found}, of '
                f"{self.encoder.num_layers} layers and width {int(self.get_dim('nO'))}: other "
                "weights, of which it knows nothing. Expected the same encoder, frozen in every "
                "training whose components are put together. Fix: source the component with an "
                "encoder of its own (replace_listeners), source the transformer from the same "
                "pipeline, or train the component again."
            )
        shim.made_for = None

    def has_dim(self, name: str) -> bool | None:
        # A stock upstream tells its width only to a listener that has none. Ours wants to hear it
        # every time: the encoder may have been loaded since.
        if name == "nO" and not self._initializing:
            return None
        return super().has_dim(name)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        # A batch, and the encoder, belong to the process they are in.
        reduced = cast(tuple[Any, ...], super().__reduce_ex__(protocol))
        function, arguments, (attributes, slots), *rest = reduced
        batch = {"_batch_id": None, "_outputs": None, "_backprop": None, "_encoder": None}
        return (function, arguments, ({**attributes, **batch}, slots), *rest)

    def receive(self, batch_id: Any, outputs: Any, backprop: Any) -> None:
        super().receive(batch_id, outputs, backprop)
        batch = _batch_of(outputs)
        if batch is not None and batch.ledger is not None:
            batch.ledger.expect(self.id, backprop and functools.partial(_call, backprop, outputs))

    def clear(self) -> None:
        """Release the batch."""
        self._batch_id = None
        self._outputs = None
        self._backprop = None


def init(model: TransformerListener, X: Any = None, Y: Any = None) -> None:
    """Make the aggregator, now that the encoder is known.

    RAISES (ValueError): No encoder, a stock encoder, or a layer that the encoder does not have.
    """
    shim = aggregator_shim(model.aggregation)
    model._initializing = True
    if model.encoder is not None:
        # spaCy does not initialize what is frozen, but saves it.
        model.encoder.load()
        if model.num_layers is None:
            model.set_dim("nO", model.encoder.get_dim("nO"))
    if model.num_layers is None:
        if shim.is_built:
            return
        raise ValueError(STOCK_UPSTREAM if Model.has_dim(model, "nO") else NO_UPSTREAM)
    shim.build(model.get_dim("nO"), model.num_layers)


def forward(
    model: TransformerListener, docs: Sequence[Doc], is_train: bool
) -> tuple[list[TransformerData], Callable[[Sequence[TransformerData]], list[Doc]]]:
    model.check_encoder()
    if is_train:
        model._initializing = False
        # Also if the aggregation has no weights: those of the component will move.
        model.shim.use.train()
    else:
        model.shim.use.check()
    batch = _batch_of(model._outputs)
    if batch is not None and batch.is_released:
        # Received while this component was frozen, and over since.
        model.clear()
    if is_train and model._outputs is not None:
        return _train(model, docs)
    if is_train:
        return _train_on_frozen(model, docs)
    return _predict(model, docs), _no_backprop


def _train(
    model: TransformerListener, docs: Sequence[Doc]
) -> tuple[list[TransformerData], Callable[[Sequence[TransformerData]], list[Doc]]]:
    outputs, component_callback = model._outputs, model._backprop
    batch = _batch_of(outputs)
    if batch is None or batch.ledger is None:
        model.clear()
        if any(len(doc) for doc in docs):
            raise ValueError(STOCK_UPSTREAM)
        return [TransformerData.empty() for _ in docs], _no_backprop
    if not batch.matches(docs):
        model.clear()
        raise ValueError(
            f"The encoder saw a batch of {len(batch.docs)} Docs, but the listener is asked about "
            f"another of {len(docs)}. Expected the same Docs. Fix: update the transformer and the "
            "components that listen to it with the same examples, as nlp.update() does."
        )
    states = batch.states.select(model.needs(batch.num_layers))
    vectors, backprop_aggregation = model.aggregation((states, batch.lengths), True)

    def backprop(d_data: Sequence[TransformerData]) -> list[Doc]:
        try:
            d_vectors = pack_gradients(d_data, len(vectors), vectors)
            send_gradients(batch, backprop_aggregation(d_vectors), model.attrs["grad_factor"])
            assert batch.ledger is not None
            batch.ledger.arrive(model.id)
            if component_callback is not None:
                _call(component_callback, outputs or [])
            return list(docs)
        finally:
            model.clear()

    return batch.with_vectors(vectors), backprop


def send_gradients(batch: LayerBatch, d_layers: dict[int, Tensor], grad_factor: float) -> None:
    """Leave the gradients of some layers in the batch's ledger. A factor of 0 costs nothing."""
    assert batch.ledger is not None
    if grad_factor != 0.0:
        batch.ledger.add({layer: grad_factor * d for layer, d in d_layers.items()})


def _call(component_callback: Callable[..., Any], outputs: Sequence[TransformerData]) -> None:
    """Call a stock component back with gradients of zero: ours go to the ledger."""
    zeros = []
    for data in outputs:
        last = data.model_output.get("last_hidden_state")
        if last is not None:
            output = ModelOutput(last_hidden_state=last * 0)
            zeros.append(TransformerData(data.wordpieces, output, data.align))
    component_callback(zeros)


def _train_on_frozen(
    model: TransformerListener, docs: Sequence[Doc]
) -> tuple[list[TransformerData], Callable[[Sequence[TransformerData]], list[Doc]]]:
    """The encoder is frozen and annotates: train the aggregator on what it left on the Docs."""
    if any(doc._.trf_data is None for doc in docs if len(doc)):
        raise ValueError(
            "A listener is trained without an encoder that runs: the Docs have no `_.trf_data`. "
            "Expected the frozen transformer in [training] annotating_components. Fix: "
            'annotating_components = ["transformer"].'
        )
    full = [doc for doc in docs if len(doc)]
    if not full:
        return [TransformerData.empty() for _ in docs], _no_backprop
    if not model.has_weights:
        if model.encoder is not None:
            model.encoder.cache.listeners_train()
        return _predict(model, docs), _no_backprop
    layers, split = _layers_of(model, docs, training=True)
    vectors, backprop_aggregation = model.aggregation(layers, True)

    def backprop(d_data: Sequence[TransformerData]) -> list[Doc]:
        backprop_aggregation(pack_gradients(d_data, len(vectors), vectors))
        return list(docs)

    return split(vectors), backprop


def _predict(model: TransformerListener, docs: Sequence[Doc]) -> list[TransformerData]:
    key = model.vectors_key
    full = [doc for doc in docs if len(doc)]
    if model._initializing and any(doc._.trf_data is not None for doc in full):
        model._initializing = False
    if all(_has_own(model, doc, key, tells=model.has_weights) for doc in full):
        return [_with_vectors(doc, key) for doc in docs]
    if all(doc._.trf_data is None for doc in full):
        # spaCy runs every model once on Docs without annotation to infer its shapes.
        if not model._initializing and full:
            raise ValueError(NOT_ENCODED)
        width = model.get_dim("nO")
        return [TransformerData.zeros(len(doc), width, xp=model.ops.xp) for doc in docs]
    with torch.no_grad():
        (states, lengths), split = _layers_of(model, docs)
        return split(model.consume(states, lengths))


def _has_own(model: TransformerListener, doc: Doc, slot: str, tells: bool) -> bool:
    """Whether a Doc carries what the listener's own encoder left in a slot.

    tells (bool): Whether the name of the slot tells the encoder. If it does not, nobody knows who
        made what lies on a stored Doc, and it is made again if that is possible.
    """
    data = doc._.trf_data
    if data is None or slot not in data.model_output:
        return False
    own = model.encoder
    maker = data.encoder() if isinstance(data, DocPieces) and data.encoder is not None else None
    if own is None or maker is own:
        return True
    return maker is None and (tells or own.shim.is_onnx)


def _with_vectors(doc: Doc, key: str) -> TransformerData:
    if not len(doc):
        return TransformerData.empty()
    data = doc._.trf_data
    return _data(data, data.model_output[key])


def _data(data: TransformerData, vectors: Any) -> TransformerData:
    """Some vectors `(1, n, E)` of a Doc, and where its windows begin and end."""
    output = ModelOutput(last_hidden_state=vectors)
    if OLD_WINDOW_LENGTHS in data.model_output:
        output[OLD_WINDOW_LENGTHS] = data.model_output[OLD_WINDOW_LENGTHS]
    return TransformerData(data.wordpieces, output, data.align)


def _split(docs: Sequence[Doc], vectors: Tensor) -> list[TransformerData]:
    array: Any = torch2xp(vectors.detach())
    split = []
    begin = 0
    for doc in docs:
        if not len(doc):
            split.append(TransformerData.empty())
            continue
        data = doc._.trf_data
        end = begin + sum(data.wordpieces.lengths)
        split.append(_data(data, array[None, begin:end]))
        begin = end
    return split


def _layers_of(
    model: TransformerListener, docs: Sequence[Doc], training: bool = False
) -> tuple[AggregationInput, Callable[[Tensor], list[TransformerData]]]:
    """The layers of some Docs, packed, and what divides vectors of them by Doc: from the Docs if
    they are there, otherwise encoded again, by the encoder that the listener was made for."""
    full = [doc for doc in docs if len(doc)]
    datas = [doc._.trf_data for doc in full]
    if model.num_layers is None:
        raise ValueError(STOCK_UPSTREAM)
    layers = model.needs(model.num_layers)
    if all(_has_own(model, doc, HIDDEN_STATES, tells=False) for doc in full):
        stacks = [xp2torch(data.model_output[HIDDEN_STATES]) for data in datas]
        packed = {layer: torch.cat([stack[layer] for stack in stacks]) for layer in layers}
        counts = torch.cat([torch.from_numpy(window_lengths(data)) for data in datas])
        states = LayerStates(packed, model.num_layers, frozen=training)
        device = next(iter(packed.values())).device
        return (states, counts.to(device)), functools.partial(_split, docs)
    encoder = model.encoder or next(
        (data.encoder() for data in datas if isinstance(data, DocPieces) and data.encoder), None
    )
    if encoder is None:
        raise ValueError(NOT_KNOWN)
    if training or encoder.serves_from_cache:
        batch = encoder.encode_frozen(docs, layers, training)
    else:
        batch = encoder.encode(docs, layers)
    return (batch.states, batch.lengths), batch.with_vectors


def _batch_of(outputs: Sequence[TransformerData] | None) -> LayerBatch | None:
    batches = [data.batch for data in outputs or [] if isinstance(data, DocPieces)]
    return batches[0] if batches else None


def _no_backprop(d_data: Sequence[TransformerData]) -> list[Doc]:
    return []
