"""What the encoder hands to spaCy: a batch, and the part of it that belongs to one Doc."""

import weakref
from collections.abc import Sequence
from typing import Any, cast

import numpy
import torch
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import (
    FullTransformerBatch,
    TransformerData,
    WordpieceBatch,
)
from thinc.api import get_array_module, torch2xp, xp2torch
from thinc.types import Floats2d, Ragged
from torch import Tensor
from transformers.utils import ModelOutput

from ..types import LayerStates
from .ledger import GradientLedger
from .run.gather import Outputs
from .run.upload import upload
from .segment.windows import Windows

# The slot of the last layer `(1, n, E)`, where stock listeners read it.
LAST = "last_hidden_state"
# The slot of all layers `(S, n, E)` on a Doc, in the stock `transformer` factory only.
HIDDEN_STATES = "hidden_states"
# Where Docs that older versions stored have the lengths of their windows.
OLD_WINDOW_LENGTHS = "window_lengths"


class Wordpieces(WordpieceBatch):
    """The wordpieces of one Doc as one row, unpadded; their strings are made when asked for.

    ids (IntArray): `(n,)`.
    lengths (IntArray): `(w,)` wordpieces of each window, which the paper's global branch and
        classifiers that read [CLS] need. Sums to n.
    tokenizer (PreTrainedTokenizerBase): Knows the strings.
    types (Optional[IntArray]): `(n,)` token types.
    """

    def __init__(
        self,
        ids: numpy.ndarray,
        lengths: numpy.ndarray,
        tokenizer: Any,
        types: numpy.ndarray | None = None,
    ):
        self.input_ids = cast(Any, ids.reshape(1, -1))
        self.lengths = lengths.tolist()
        self.token_type_ids = cast(Any, None if types is None else types.reshape(1, -1))
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return 1

    @property
    def attention_mask(self) -> Any:  # type: ignore[override]
        return numpy.ones(self.input_ids.shape, dtype="f")

    @property
    def strings(self) -> list[list[str]]:  # type: ignore[override]
        return [self._tokenizer.convert_ids_to_tokens(self.input_ids[0].tolist())]


class DocPieces(TransformerData):
    """`doc._.trf_data`: the vectors of one Doc's wordpieces, unpadded and owning their memory.

    `model_output` holds `(1, n, E)` arrays: `last_hidden_state` where a stock listener (or none)
    reads it, one more for each dlfa_spacy listener, and `hidden_states` `(S, n, E)` only in the
    stock `transformer` factory. No `pooler_output` and no `attentions`: a classifier has its own
    pooler (`dlfa_spacy.TextCat.v1`). It is serialized as a stock `TransformerData`.
    """

    def __init__(
        self,
        wordpieces: WordpieceBatch,
        model_output: ModelOutput,
        align: Ragged,
        batch: "LayerBatch | None" = None,
        encoder: "weakref.ref[Any] | None" = None,
    ):
        super().__init__(wordpieces=wordpieces, model_output=model_output, align=align)
        self.batch = batch
        self.encoder = encoder

    @property
    def window_lengths(self) -> numpy.ndarray:
        """`(w,)`: the wordpieces of each window."""
        return window_lengths(self)

    def __reduce__(self) -> tuple[Any, ...]:
        wordpieces = WordpieceBatch(**self.wordpieces.to_dict())
        return (TransformerData, (wordpieces, self.model_output, self.align))


class LayerBatch(FullTransformerBatch):
    """The encoder's output for a batch of Docs, in the shape that stock components expect.

    docs (List[Doc]): The batch.
    windows (Windows): What was encoded.
    outputs (Outputs): Packed `(N, E)` torch tensors: layers by their numbers, and what readers made
        of them by its name.
    num_layers (int): L.
    model (TransformerModel): The encoder.
    ledger (GradientLedger): Where listeners leave their gradients, during training.
    frozen (bool): Nothing of the encoder trains: the layers have no graph.
    """

    def __init__(
        self,
        docs: Sequence[Doc],
        windows: Windows,
        outputs: Outputs,
        num_layers: int,
        model: Any,
        ledger: GradientLedger | None = None,
        frozen: bool = False,
    ):
        self.docs = list(docs)
        self.windows = windows
        self.outputs = outputs
        self.num_layers = num_layers
        self.ledger = ledger
        # Whether the layers came without a graph because nothing below them trains.
        self.frozen = frozen
        self.align = windows.align
        self.cached_doc_data: list[TransformerData] | None = None
        self._model = weakref.ref(model)
        self._tokenizer = model.tokenizer

    @property
    def spans(self) -> list[list[Span]]:  # type: ignore[override]
        spans: list[list[Span]] = [[] for _ in self.docs]
        for doc, start, end in self.windows.token_bounds:
            spans[doc].append(self.docs[doc][start:end])
        return spans

    @property
    def wordpieces(self) -> WordpieceBatch:  # type: ignore[override]
        windows = self.windows
        return Wordpieces(windows.ids, windows.lengths, self._tokenizer, windows.types)

    @property
    def lengths(self) -> Tensor:
        """`(W,)`, on the device of the states."""
        device = next(iter(self.outputs.values())).device
        return upload(self.windows.lengths, device)

    @property
    def states(self) -> LayerStates:
        """The layers that were computed, packed, with their graph during training."""
        layers = {key: rows for key, rows in self.outputs.items() if isinstance(key, int)}
        return LayerStates(layers, self.num_layers, self.frozen)

    @property
    def model_output(self) -> ModelOutput:  # type: ignore[override]
        """What stock components read."""
        return ModelOutput(self._doc_tensors())

    def release(self) -> None:
        """Release the layers and their graph, which listeners that are frozen would hold on to
        until they receive another batch."""
        self.outputs = {}
        self.cached_doc_data = None

    @property
    def is_released(self) -> bool:
        return not self.outputs

    def matches(self, docs: Sequence[Doc]) -> bool:
        """Whether this is the batch of these Docs (the objects, or the same texts)."""
        return len(docs) == len(self.docs) and all(
            a is b or (len(a) == len(b) and a.text == b.text)
            for a, b in zip(docs, self.docs, strict=True)
        )

    def split_by_doc(self) -> list[TransformerData]:
        """RETURNS (List[TransformerData]): One per Doc; an empty one for an empty Doc."""
        arrays = {name: torch2xp(tensor.detach()) for name, tensor in self._doc_tensors().items()}
        return [self._doc_data(i, arrays) for i in range(len(self.docs))]

    def with_vectors(self, vectors: Tensor) -> list[TransformerData]:
        """RETURNS (List[TransformerData]): One per Doc, whose `last_hidden_state` is its rows of
        some `(N, E)` vectors (a view: for passing on, not for keeping)."""
        array: Any = torch2xp(vectors.detach())
        data: list[TransformerData] = []
        for i in range(len(self.docs)):
            begin, end = self.windows.doc_rows[i], self.windows.doc_rows[i + 1]
            if begin == end:
                data.append(TransformerData.empty())
                continue
            output = ModelOutput(last_hidden_state=array[None, begin:end])
            data.append(DocPieces(self._doc_pieces(i), output, self.windows.doc_align(i), self))
        return data

    def unsplit_by_doc(self, arrays: list[list[Any]]) -> FullTransformerBatch:
        """Pack the gradients that stock listeners return, one list of arrays a non-empty Doc."""
        xp = get_array_module(arrays[0][0])
        rows = xp.concatenate([a[0].reshape(-1, a[0].shape[-1]) for a in arrays])
        return FullTransformerBatch(
            spans=[],
            wordpieces=WordpieceBatch.empty(),
            model_output=ModelOutput(last_hidden_state=xp2torch(rows)),
            align=self.align,
        )

    def _doc_tensors(self) -> dict[str, Tensor]:
        layers = self.states.layers
        tensors = {LAST: layers[self.num_layers]} if self.num_layers in layers else {}
        tensors |= {name: rows for name, rows in self.outputs.items() if isinstance(name, str)}
        # During training the layers stay in the batch: only stock listeners read from the Doc.
        if self.ledger is None and len(layers) > self.num_layers:
            tensors[HIDDEN_STATES] = torch.stack([layers[x] for x in range(self.num_layers + 1)])
        return tensors

    def _doc_data(self, i: int, arrays: dict[str, Any]) -> TransformerData:
        begin, end = int(self.windows.doc_rows[i]), int(self.windows.doc_rows[i + 1])
        if begin == end:
            empty = TransformerData.empty()
            return DocPieces(empty.wordpieces, empty.model_output, empty.align, self._train_batch)
        output = ModelOutput()
        for name, array in arrays.items():
            rows = array[:, begin:end] if name == HIDDEN_STATES else array[None, begin:end]
            # A copy: a view of one Doc would keep the whole batch alive.
            output[name] = rows.copy()
        return DocPieces(
            self._doc_pieces(i), output, self.windows.doc_align(i), self._train_batch, self._model
        )

    @property
    def _train_batch(self) -> "LayerBatch | None":
        return self if self.ledger is not None else None

    def _doc_pieces(self, i: int) -> Wordpieces:
        begin, end = self.windows.doc_rows[i], self.windows.doc_rows[i + 1]
        types = self.windows.types
        own_types = None if types is None else types[begin:end].copy()
        lengths = self.windows.doc_window_lengths(i)
        return Wordpieces(self.windows.ids[begin:end].copy(), lengths, self._tokenizer, own_types)


def window_lengths(data: TransformerData) -> numpy.ndarray:
    """RETURNS (Ints1d): `(w,)`, the wordpieces of each window of a Doc."""
    lengths = data.model_output.get(OLD_WINDOW_LENGTHS, data.wordpieces.lengths)
    return numpy.asarray(lengths, dtype="int64")


def pack_gradients(d_data: Sequence[TransformerData], rows: int, like: Tensor) -> Tensor:
    """The gradients of the Docs of a batch as one `(N, E)` tensor.

    d_data (Sequence[TransformerData]): `last_hidden_state` is the gradient; empty Docs may be
        there without one, or be missing altogether (stock code skips them).
    rows (int): N.
    like (Tensor): Tells device and dtype.
    """
    parts: list[Floats2d] = [
        data.model_output["last_hidden_state"].reshape(-1, like.shape[-1])
        for data in d_data
        if "last_hidden_state" in data.model_output
    ]
    if not parts:
        return torch.zeros_like(like)
    xp = get_array_module(parts[0])
    packed = xp2torch(xp.concatenate(parts), device=like.device)
    if len(packed) != rows:
        raise ValueError(f"The gradient has {len(packed)} wordpieces, the batch has {rows}.")
    return packed.to(like.dtype)
