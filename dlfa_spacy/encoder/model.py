"""The thinc model around the encoder: Docs in, layers out, gradients of every layer back in."""

import copy
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from spacy.tokens import Doc
from spacy_transformers.data_classes import FullTransformerBatch, HFObjects
from spacy_transformers.layers.transformer_model import TransformerModel as StockTransformerModel
from thinc.api import Model
from thinc.layers.pytorchwrapper import forward as run_torch
from thinc.types import ArgsKwargs
from torch import Tensor

from ..types import EncoderWidth
from .batch import LayerBatch
from .cache import LayerCache
from .ledger import GradientLedger
from .reader import Readership
from .run.gather import Outputs
from .run.packed import PackedEncoder
from .segment.segmenter import Segmenter
from .segment.spans import WordpieceSpans
from .segment.texts import SpanGetter
from .segment.windows import Windows
from .shim import EncoderShim
from .storage.loading import load_encoder, read_config


class CutPairWarning(UserWarning):
    """A pair of texts did not fit into one window of the encoder."""


class TransformerModel(StockTransformerModel):
    """An encoder whose layers can all be listened to and trained through.

    A subclass of spacy-transformers' model, so that the stock `transformer` factory and stock
    listeners take it for one of theirs. What differs: windows instead of padded spans, every layer
    instead of the last one, and a ledger that collects gradients.

    name (str): Folder or Hub name of the encoder.
    get_spans (Callable): A span getter.
    tokenizer_config, transformer_config (Dict): Settings for Hugging Face.
    mixed_precision (bool), grad_scaler_config (Dict): As in spacy-transformers.
    """

    def __init__(
        self,
        name: str,
        get_spans: SpanGetter,
        tokenizer_config: dict[str, Any],
        transformer_config: dict[str, Any],
        mixed_precision: bool,
        grad_scaler_config: dict[str, Any],
        replace_listener: Callable[..., Any],
        replace_listener_cfg: Callable[..., Any],
    ):
        hf_model = HFObjects(None, None, None, dict(tokenizer_config), dict(transformer_config))
        shim = EncoderShim(hf_model, mixed_precision, grad_scaler_config)
        wrapper: Model[Any, Any] = Model(
            "hf-pytorch",
            run_torch,
            attrs={"convert_inputs": convert_inputs, "convert_outputs": convert_outputs},
            shims=[shim],
            dims={"nI": None, "nO": None},
        )
        Model.__init__(
            self,
            "transformer",
            forward,
            init=init,
            layers=[wrapper],
            dims={"nO": None},
            attrs={
                "get_spans": get_spans,
                "name": name,
                "set_transformer": set_transformer,
                "has_transformer": False,
                "replace_listener": replace_listener,
                "replace_listener_cfg": replace_listener_cfg,
            },
        )
        self._settings: dict[str, Any] = {
            "tokenizer_config": tokenizer_config,
            "transformer_config": transformer_config,
            "mixed_precision": mixed_precision,
            "grad_scaler_config": grad_scaler_config,
            "replace_listener": replace_listener,
            "replace_listener_cfg": replace_listener_cfg,
        }
        self._depth: int | None = None
        self.readership = Readership()
        # The layers that it gave while it was frozen.
        self.cache = LayerCache()
        # Pairs of texts that were too long for one window.
        self.cut_pairs = 0
        self._guessed = False

    @property
    def shim(self) -> EncoderShim:
        return cast(EncoderShim, self.layers[0].shims[0])

    @property
    def ledger(self) -> GradientLedger:
        return self.shim.ledger

    @property
    def packed(self) -> PackedEncoder:
        return cast(PackedEncoder, self.shim._model)

    @property
    def num_layers(self) -> int:
        if self.attrs["has_transformer"]:
            return self.packed.num_layers
        if self._depth is None:
            self._set_shape_from_config()
        if self._depth is None:
            raise ValueError(
                f'[components.transformer.model] name = "{self.attrs["name"]}" is not loaded yet. '
                "Fix: call nlp.initialize() first, or load a trained pipeline."
            )
        return self._depth

    def has_dim(self, name: str) -> bool | None:
        # A frozen encoder is never initialized, but its listeners must know its width.
        if name == "nO" and not self._guessed and not self.attrs["has_transformer"]:
            self._set_shape_from_config()
        return super().has_dim(name)

    def set_dim(self, name: str, value: int, *, force: bool = False) -> None:
        # Saved weights know better than the folder that now has the encoder's name.
        super().set_dim(name, value, force=force or not self.attrs["has_transformer"])

    def get_dim(self, name: str) -> int:
        """The width, which also tells the depth and the encoder (see `EncoderWidth`)."""
        value = super().get_dim(name)
        if name == "nO" and (self.attrs["has_transformer"] or self._depth is not None):
            return EncoderWidth(value, self.num_layers, weakref.ref(self))
        return value

    def copy(self) -> "TransformerModel":
        """RETURNS (TransformerModel): A copy with its own weights. thinc's copy, and the stock
        class's, would make an object of the stock class."""
        copied = TransformerModel(
            self.attrs["name"], copy.deepcopy(self.attrs["get_spans"]), **self._settings
        )
        copied.layers[0].shims[0] = copy.deepcopy(self.shim)
        if self.attrs["has_transformer"]:
            copied._adopt()
        return copied

    def from_bytes(self, bytes_data: bytes) -> "TransformerModel":
        """Load encoder, tokenizer and settings.

        RAISES (ValueError): The bytes are damaged, or hold an encoder that does not fit.
        """
        try:
            super().from_bytes(bytes_data)
        except Exception as error:
            # msgpack has no common error type: a cut file raises whatever it stumbles over.
            raise ValueError(
                "The saved encoder (the file transformer/model, [components.transformer.model]) "
                f"cannot be loaded: {type(error).__name__}: {error} Expected the bytes that "
                "nlp.to_disk wrote. Fix: copy the pipeline again, or train again."
            ) from error
        return self

    def load(self) -> None:
        """Load the encoder if that has not happened: from its folder, the cache or the Hub."""
        if self.attrs["has_transformer"]:
            return
        with self.shim.use.lock:
            # Another thread may have loaded it in the meantime.
            if not self.attrs["has_transformer"]:
                hf = self.shim._hfmodel
                loaded = load_encoder(
                    self.attrs["name"], hf._init_tokenizer_config, hf._init_transformer_config
                )
                set_transformer(self, loaded)

    def _adopt(self) -> None:
        self.attrs["has_transformer"] = True
        self.set_dim("nO", self.packed.width, force=True)
        self._depth = self.packed.num_layers

    def _set_shape_from_config(self) -> None:
        self._guessed = True
        config = read_config(self.attrs["name"], **self._settings["transformer_config"])
        if config is not None:
            self.set_dim("nO", int(config.hidden_size), force=True)
            self._depth = int(config.num_hidden_layers)

    def encode(self, docs: Sequence[Doc], layers: list[int]) -> LayerBatch:
        """RETURNS (LayerBatch): Some layers of some Docs, without gradients."""
        self.load()
        self.finish_batch()
        windows = self.segment(docs)
        output = self._run(windows, layers)
        return LayerBatch(docs, windows, output, self.num_layers, self)

    @property
    def is_frozen(self) -> bool:
        """Whether no weight of it trains: all are frozen, or nobody sends gradients. (That its
        component is frozen, only spaCy knows.)"""
        return not (self.readership.takes_gradients and self.shim.has_trainable_weights)

    @property
    def serves_from_cache(self) -> bool:
        """Whether predictions take the layers that are kept."""
        return self.cache.serves_predictions and not self.shim.is_onnx

    def encode_frozen(
        self, docs: Sequence[Doc], layers: list[int], training: bool = True
    ) -> LayerBatch:
        """Encode some Docs with weights that do not train, each text once (see `LayerCache`).

        docs (Sequence[Doc]): The batch.
        layers (List[int]): The layers wanted.
        training (bool): Whether listeners train on it.
        RETURNS (LayerBatch): As `encode` makes it; rounded to half precision if there is a cache.
        """
        self.load()
        if not self.cache.is_on or self.shim.is_onnx or not any(len(doc) for doc in docs):
            batch = self.encode(docs, layers)
            batch.frozen = True
            return batch
        self.finish_batch()
        windows = self.segment(docs)
        found = self.cache.states(
            windows, layers, self._cache_name(), self.packed.width, self._encode_windows, training
        )
        outputs: Outputs = {layer: rows.to(self.packed.device) for layer, rows in found.items()}
        return LayerBatch(docs, windows, outputs, self.num_layers, self, frozen=True)

    def read(self, docs: Sequence[Doc], layers: list[int]) -> LayerBatch:
        """RETURNS (LayerBatch): Some layers of some Docs, without gradients: those that are kept
        where a folder keeps them, else as `encode`."""
        if self.serves_from_cache:
            return self.encode_frozen(docs, layers, training=False)
        return self.encode(docs, layers)

    def missing(self, docs: Sequence[Doc], layers: list[int]) -> list[tuple[int, int]]:
        """RETURNS (List[Tuple[int, int]]): Which of some Docs have layers that the cache does not
        keep, and their wordpieces."""
        self.load()
        windows = self.segment(docs)
        return self.cache.missing(windows, layers, self._cache_name(), self.packed.width)

    def _cache_name(self) -> str:
        # Half floats and bfloat16 are further from fp32 than what is kept.
        mixed = self.packed.uses_bfloat16 or self.shim.half_floats
        return self.shim.fingerprint() + ("-mixed" if mixed else "")

    def _encode_windows(self, windows: Windows, layers: list[int]) -> dict[int, Tensor]:
        outputs = self._run(windows, layers)
        return {layer: outputs[layer] for layer in layers}

    def _run(self, windows: Windows, layers: list[int]) -> Outputs:
        if not len(windows.ids):
            # Empty Docs are no windows, and an encoder reads one at least.
            nothing = torch.zeros((0, self.packed.width), device=self.packed.device)
            return {layer: nothing for layer in layers}
        budget = self.readership.max_batch_items
        arguments = {"windows": windows, "layers": layers, "budget": budget}
        return cast(Outputs, self.shim.predict(ArgsKwargs(args=(), kwargs=arguments)))

    def finish_batch(self) -> None:
        """Make the step that still waits for a listener which may not come (see
        `GradientLedger`): whoever predicts or saves now means the updated weights. Listeners that
        have not come back yet still may.

        RAISES (ValueError): Another thread trains.
        """
        self.shim.use.check()
        if self.ledger.is_open:
            with self.shim.use.lock:
                self.ledger.catch_up()

    def to_bytes(self) -> bytes:
        self.finish_batch()
        return super().to_bytes()

    def segment(self, docs: Sequence[Doc]) -> Windows:
        """RETURNS (Windows): The Docs as wordpieces."""
        get_spans = self.attrs["get_spans"]
        tokenizer = self.shim.piece_tokenizer
        if isinstance(get_spans, WordpieceSpans):
            get_spans.bind(tokenizer)
        windows = Segmenter(tokenizer, get_spans, self.shim.max_length)(docs)
        self._count_cut_pairs(windows)
        return windows

    def _count_cut_pairs(self, windows: Windows) -> None:
        if windows.lost is None or not windows.lost.any():
            return
        with self.shim.use.lock:
            self.cut_pairs += int((windows.lost > 0).sum())
        # One text for all, so that Python shows it once; how many there were is in `cut_pairs`.
        warnings.warn(
            "A pair of texts is longer than the encoder's window "
            "([components.transformer.model.get_spans] window) and was cut, longest text first, "
            'as Hugging Face does. Pairs cut so far: nlp.get_pipe("transformer").model.cut_pairs.',
            CutPairWarning,
            stacklevel=2,
        )


def set_transformer(model: TransformerModel, hf_model: HFObjects) -> None:
    """Put an encoder into a model that has none."""
    if model.attrs["has_transformer"]:
        raise ValueError("This model already has an encoder, and takes no second one.")
    model.shim.set_encoder(hf_model)
    model._adopt()


def encoder_in(model: Model) -> TransformerModel | None:
    """RETURNS (Optional[TransformerModel]): The model itself, or the first encoder inside it."""
    return next((node for node in model.walk() if isinstance(node, TransformerModel)), None)


def init(model: TransformerModel, X: Any = None, Y: Any = None) -> None:
    model.load()


def forward(
    model: TransformerModel, docs: Sequence[Doc], is_train: bool
) -> tuple[LayerBatch | FullTransformerBatch, Callable[[FullTransformerBatch], Sequence[Doc]]]:
    """List[Doc] -> LayerBatch. The backward pass takes the gradient of the last layer from stock
    code; everybody else leaves theirs in the ledger."""
    model.load()
    docs = list(docs)
    if is_train:
        model.shim.use.train()
    if is_train and model.is_frozen:
        return _train_on_frozen(model, docs)
    if is_train:
        model.cache.encoder_trains()
        # Before the next graph is built, so that two of them never need memory at once.
        model.ledger.close()
    else:
        model.finish_batch()
    windows = model.segment(docs)
    if len(windows.ids) == 0:
        return FullTransformerBatch.empty(len(docs)), lambda d_batch: docs
    num_layers = model.num_layers
    readership = model.readership
    kwargs: dict[str, Any] = {
        "windows": windows,
        "layers": readership.layers(num_layers),
        "budget": readership.max_batch_items,
    }
    if not is_train and readership.readers is not None:
        kwargs["consumers"] = model.packed.consumers(readership.readers)
    outputs, backprop_encoder = model.layers[0](ArgsKwargs(args=(), kwargs=kwargs), is_train)
    ledger = model.ledger if is_train else None
    batch = LayerBatch(docs, windows, outputs, num_layers, model, ledger)
    if is_train:

        def backward(gradients: dict[int, Tensor]) -> None:
            # A frozen encoder, or one frozen up to a layer, has no graph to go through.
            d_outputs = {x: d for x, d in gradients.items() if outputs[x].requires_grad}
            if d_outputs:
                backprop_encoder(d_outputs)

        model.ledger.open(backward, batch.release)
        # The component itself: stock factories come back once, for all stock listeners.
        model.ledger.expect(GradientLedger.COMPONENT)

    def backprop(d_batch: FullTransformerBatch) -> Sequence[Doc]:
        gradient = d_batch.model_output.get("last_hidden_state")
        if gradient is not None and bool(gradient.any()):
            model.ledger.add({num_layers: gradient.reshape(-1, gradient.shape[-1])})
        model.ledger.arrive(GradientLedger.COMPONENT)
        return docs

    return batch, backprop


def _train_on_frozen(
    model: TransformerModel, docs: list[Doc]
) -> tuple[LayerBatch | FullTransformerBatch, Callable[[FullTransformerBatch], Sequence[Doc]]]:
    """As a batch that is trained through, with a backward pass that ends here."""
    ledger = model.ledger
    ledger.close()
    if not any(len(doc) for doc in docs):
        return FullTransformerBatch.empty(len(docs)), lambda d_batch: docs
    batch = model.encode_frozen(docs, model.readership.layers(model.num_layers))
    batch.ledger = ledger
    ledger.open(_no_backward, batch.release)
    ledger.expect(GradientLedger.COMPONENT)

    def backprop(d_batch: FullTransformerBatch) -> Sequence[Doc]:
        ledger.arrive(GradientLedger.COMPONENT)
        return docs

    return batch, backprop


def _no_backward(gradients: dict[int, Tensor]) -> None:
    """The backward pass of an encoder of which nothing trains."""


def convert_inputs(
    model: Model, inputs: ArgsKwargs, is_train: bool
) -> tuple[ArgsKwargs, Callable[[Any], list[Any]]]:
    return inputs, lambda d_inputs: []


def convert_outputs(
    model: Model, inputs_outputs: tuple[Any, Outputs], is_train: bool
) -> tuple[Outputs, Callable[[dict[int, Tensor]], ArgsKwargs]]:
    """Backpropagate through every layer that has a gradient.

    The stock function passes `last_hidden_state` alone to autograd and drops the gradients of all
    other layers silently (explosion/spacy-transformers, pull request 299).
    """
    _, outputs = inputs_outputs

    def backprop(d_outputs: dict[int, Tensor]) -> ArgsKwargs:
        return ArgsKwargs(
            args=(tuple(outputs[layer] for layer in d_outputs),),
            kwargs={
                "grad_tensors": [d.to(outputs[layer].dtype) for layer, d in d_outputs.items()],
                "retain_graph": cast(EncoderShim, model.shims[0]).ledger.keep_graph,
            },
        )

    return outputs, backprop
