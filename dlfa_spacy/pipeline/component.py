"""The `dlfa_transformer` component: the encoder in a pipeline, which knows its listeners."""

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import cast

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example, validate_examples
from spacy.util import minibatch
from spacy.vocab import Vocab
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData
from spacy_transformers.layers.listener import TransformerListener as StockListener
from spacy_transformers.pipeline_component import Transformer, install_extensions
from thinc.api import Config, Model, Optimizer
from torch import Tensor

from ..encoder.batch import LAST, LayerBatch, pack_gradients
from ..encoder.cache import LayerCache
from ..encoder.cache.setting import DEFAULT as DEFAULT_CACHE
from ..encoder.model import TransformerModel
from ..encoder.reader import LastLayerReader, Reader, Readership
from ..encoder.run.gather import Outputs
from ..encoder.storage.checks import check_component_config
from ..layers.listener import TransformerListener

DEFAULT_CONFIG = Config().from_str(
    """
[transformer]
max_batch_items = null
cache = "2GB"

[transformer.set_extra_annotations]
@annotation_setters = "spacy-transformers.null_annotation_setter.v1"

[transformer.model]
@architectures = "dlfa_spacy.TransformerModel.v1"
name = "bert-base-multilingual-cased"
tokenizer_config = {"use_fast": true}
transformer_config = {}
mixed_precision = false
grad_scaler_config = {}

[transformer.model.get_spans]
@span_getters = "dlfa_spacy.wordpiece_spans.v1"
window = 126
stride = 96
"""
)


@Language.factory(
    "dlfa_transformer",
    assigns=["doc._.trf_data"],
    default_config=DEFAULT_CONFIG["transformer"],
)
def make_dlfa_transformer(
    nlp: Language,
    name: str,
    model: Model[list[Doc], FullTransformerBatch],
    set_extra_annotations: Callable[[list[Doc], FullTransformerBatch], None],
    max_batch_items: int | None,
    cache: int | str,
) -> "DLFATransformer":
    """Construct the component.

    model (Model[List[Doc], FullTransformerBatch]): A `dlfa_spacy.TransformerModel.v1`.
    set_extra_annotations (Callable): As in the stock `transformer`.
    max_batch_items (Optional[int]): Wordpieces, padding included, in one forward pass of the
        encoder. By default what suits the device.
    cache (Union[int, str]): Where the layers of a frozen encoder are kept while components train on
        it, so that each text is encoded once: so much memory ("500MB", "2GB", or bytes), and a
        temporary file beyond that; 0 for none; or a folder, which several processes can share, and
        which prediction reads and fills as well.
    """
    return DLFATransformer(
        nlp.vocab,
        model,
        set_extra_annotations,
        name=name,
        max_batch_items=max_batch_items,
        cache=cache,
    )


class DLFATransformer(Transformer):
    """An encoder that serves listeners of all layers.

    Differs from the stock `transformer` in that it computes only the layers its listeners need,
    batches by wordpieces, aggregates batch by batch and leaves on `doc._.trf_data` one vector per
    wordpiece for each listener, never the layers; and in that the order in which listeners come
    back, or stay away because they are frozen, does not matter.

    vocab (Vocab): The pipeline's.
    model (Model): A `dlfa_spacy.TransformerModel.v1`.
    set_extra_annotations (Callable): Called with the Docs and the batch.
    name (str): Name in the pipeline.
    max_batch_items (Optional[int]), cache (Union[int, str]): See `make_dlfa_transformer`.
    """

    def __init__(
        self,
        vocab: Vocab,
        model: Model[list[Doc], FullTransformerBatch],
        set_extra_annotations: Callable[[list[Doc], FullTransformerBatch], None],
        *,
        name: str = "transformer",
        max_batch_items: int | None = None,
        cache: int | str = DEFAULT_CACHE,
    ):
        if not isinstance(model, TransformerModel):
            raise ValueError(
                f'[components.{name}.model] @architectures makes a "{model.name}" model, which a '
                "dlfa_transformer cannot use. Expected "
                '"dlfa_spacy.TransformerModel.v1". Fix: change that line; name must be given, '
                "the other arguments are those of spacy-transformers.TransformerModel.v3."
            )
        if max_batch_items is not None and max_batch_items < 1:
            raise ValueError(
                f"[components.{name}] max_batch_items = {max_batch_items}: expected 1 or more "
                "wordpieces, or null. Fix: max_batch_items = null."
            )
        super().__init__(vocab, model, set_extra_annotations, name=name)
        self.model: TransformerModel = model
        self.model.cache = LayerCache(cache, name)
        # The stock annotation knows no null.
        self.cfg: dict[str, int | None] = {"max_batch_items": max_batch_items}  # type: ignore[assignment]

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Apply the component to a stream of Docs.

        stream (Iterable[Doc]): The Docs.
        batch_size (int): Docs to buffer: they are encoded in the order of their length.
        YIELDS (Doc): The Docs, in their own order.
        """
        install_extensions()
        for batch in minibatch(stream, batch_size):
            docs = list(batch)
            self.set_annotations(docs, self.predict(docs))
            yield from docs

    def predict(self, docs: Iterable[Doc]) -> FullTransformerBatch:
        """RETURNS (FullTransformerBatch): One set of vectors for each listener."""
        docs = list(docs)
        self._prepare()
        if not any(len(doc) for doc in docs):
            return FullTransformerBatch.empty(len(docs))
        if self.model.serves_from_cache:
            return self._predict_from_cache(docs)
        return self.model.predict(docs)

    def _predict_from_cache(self, docs: list[Doc]) -> FullTransformerBatch:
        readership = self.model.readership
        readers = readership.readers or {}
        if self.model.cache.expects_training:
            # Annotated to be trained on: an aggregation with weights will run, with dropout, then.
            # Whoever predicts after all asks for the layers, which are kept.
            readers = {key: reader for key, reader in readers.items() if not reader.has_weights}
        layers = readership.layers(self.model.num_layers)
        kept = self.model.encode_frozen(docs, layers, training=False)
        outputs: Outputs = {}
        for key, reader in readers.items():
            outputs[key] = reader.consume(kept.states, kept.lengths)
        return LayerBatch(docs, kept.windows, outputs, kept.num_layers, self.model)

    def update(
        self,
        examples: Iterable[Example],
        *,
        drop: float = 0.0,
        sgd: Optimizer | None = None,
        losses: dict[str, float] | None = None,
    ) -> dict[str, float]:
        """Run the encoder and hand its layers to the listeners. The encoder's backward pass runs
        once, when all listeners that take part have come back (see `GradientLedger`).

        examples (Iterable[Example]): Only the predicted Docs are used.
        drop (float): Not used: the encoder's own configuration sets its dropout.
        sgd (Optimizer): If given, the encoder is updated once its gradient is complete.
        losses (Dict[str, float]): Updated with the squared norm of the gradients that came in.
        """
        examples = list(examples)
        validate_examples(examples, "DLFATransformer.update")
        losses = {} if losses is None else losses
        losses.setdefault(self.name, 0.0)
        docs = [eg.predicted for eg in examples]
        self._prepare()
        if not any(len(doc) for doc in docs):
            self._send_empty(docs)
            return losses
        batch, _ = self.model.begin_update(docs)
        ledger = self.model.ledger
        # Nothing comes back through the component: every listener reports on its own.
        ledger.arrive(ledger.COMPONENT)
        ledger.on_gradients = functools.partial(_add_squared_norm, losses, self.name)
        for listener in self.listeners:
            if isinstance(listener, TransformerListener):
                listener.receive(None, batch.doc_data, None)
            else:
                ledger.expect(listener.id)
                callback = functools.partial(_collect_from_stock, batch, listener.id)
                listener.receive(StockListener.get_batch_id(docs), batch.doc_data, callback)
        if sgd is not None:
            self.finish_update(sgd)
        return losses

    def finish_update(self, sgd: Optimizer) -> None:
        """Update the encoder's weights, once the listeners have come back if they have not."""
        self.model.finish_update(sgd)

    def add_listener(self, listener: StockListener, component_name: str) -> None:
        """Link a listener. Usually internal."""
        super().add_listener(listener, component_name)
        if isinstance(listener, TransformerListener) and listener.encoder is None:
            # Not even the encoder's width is known: a frozen one, whose folder is not there, has
            # to say so itself.
            listener._encoder = weakref.ref(self.model)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "DLFATransformer":
        """Load the component.

        RAISES (ValueError): The file is damaged, or holds an encoder that does not fit.
        """
        if "cfg" not in exclude:
            check_component_config(Path(path) / "cfg")
        self._forget_widths()
        return cast(DLFATransformer, super().from_disk(path, exclude=exclude))

    def from_bytes(self, bytes_data: bytes, *, exclude: Iterable[str] = ()) -> "DLFATransformer":
        """Load the component, as `from_disk` does."""
        self._forget_widths()
        return cast(DLFATransformer, super().from_bytes(bytes_data, exclude=exclude))

    def _forget_widths(self) -> None:
        """What listeners were told comes from the folder that now has the encoder's name, which
        need not hold the encoder that was saved."""
        for listener in self.listeners:
            # `set_dim` takes no None.
            listener._dims["nO"] = None

    def _prepare(self) -> None:
        """Tell the encoder who listens, which may have changed since the last batch."""
        readers: dict[str, Reader] = {}
        for listener in self.listeners:
            if isinstance(listener, TransformerListener):
                listener.check_encoder()
                if _is_taken(listener, readers):
                    # Two listeners of a file of before, which were trained apart.
                    listener.shim.rename_vectors()
                readers[listener.vectors_key] = listener
            else:
                readers[LAST] = LastLayerReader()
        if LAST in readers:
            # Where stock has it: `trf_data.tensors[0]`.
            readers = {LAST: readers.pop(LAST), **readers}
        takes_gradients = not self.listeners or any(
            # What a stock listener sends cannot be known beforehand.
            not isinstance(listener, TransformerListener) or listener.attrs["grad_factor"] != 0.0
            for listener in self.listeners
        )
        self.model.readership = Readership(
            readers or {LAST: LastLayerReader()}, self.cfg["max_batch_items"], takes_gradients
        )

    def _send_empty(self, docs: list[Doc]) -> None:
        empty = FullTransformerBatch.empty(len(docs)).doc_data
        for listener in self.listeners:
            listener.receive(StockListener.get_batch_id(docs), empty, _ignore)


def _is_taken(listener: TransformerListener, readers: dict[str, Reader]) -> bool:
    """Whether another listener, with other weights, has its slot."""
    other = readers.get(listener.vectors_key)
    if other is None or not listener.has_weights:
        return False
    return bool(other.shim.fingerprint() != listener.shim.fingerprint())


def _collect_from_stock(
    batch: LayerBatch, listener_id: int, d_data: list[TransformerData]
) -> list[Doc]:
    last = batch.outputs[batch.num_layers]
    assert batch.ledger is not None
    gradient = pack_gradients(d_data, len(last), last.detach())
    batch.ledger.add({batch.num_layers: gradient})
    batch.ledger.arrive(listener_id)
    return batch.docs


def _add_squared_norm(losses: dict[str, float], name: str, gradients: dict[int, Tensor]) -> None:
    # One number of all layers: a GPU is waited for once.
    losses[name] += float(sum((gradient**2).sum() for gradient in gradients.values()))


def _ignore(d_data: list[TransformerData]) -> list[Doc]:
    return []
