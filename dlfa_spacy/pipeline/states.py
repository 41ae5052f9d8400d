"""One vector per sentence for every layer, batch by batch, from the package's own encoder path."""

from collections.abc import Iterable, Iterator, Sequence

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from torch import Tensor

from ..aggregators.layer_index import resolve_layer
from ..encoder.batch import LayerBatch
from ..encoder.model import TransformerModel
from .encoders import encoder_of

BATCH_SIZE = 64


def encoded_batches(
    encoder: TransformerModel,
    docs: Iterable[Doc],
    layers: Sequence[int] | None = None,
    batch_size: int = BATCH_SIZE,
) -> Iterator[LayerBatch]:
    """Encode a stream of Docs.

    encoder (TransformerModel): The encoder.
    docs (Iterable[Doc]): The Docs.
    layers (Sequence[int]): The layers wanted; all by default.
    batch_size (int): Docs at once.
    YIELDS (LayerBatch): Every batch; forget it before the next.
    """
    wanted = resolve_layers(layers, encoder.num_layers)
    for batch in minibatch(docs, batch_size):
        yield encoder.read(list(batch), sorted(set(wanted)))


def resolve_layers(layers: Sequence[int] | None, num_layers: int) -> list[int]:
    """RETURNS (List[int]): Layer numbers from 0, in the order given; all without any."""
    if layers is None:
        return list(range(num_layers + 1))
    return [resolve_layer(layer, num_layers, "layers") for layer in layers]


def text_rows(batch: LayerBatch, encoder: TransformerModel) -> Tensor:
    """Which wordpieces are text and no special tokens.

    RETURNS (Tensor): `(N,)` bool, on the CPU.
    """
    frames = encoder.shim.piece_tokenizer.frames.frames
    special = sorted({i for frame in frames for i in (*frame.before, *frame.after)})
    return torch.from_numpy(~numpy.isin(batch.windows.ids, special))


def token_rows(batch: LayerBatch) -> Tensor:
    """Which wordpieces belong to a token: those of text, without pieces of white space alone.

    RETURNS (Tensor): `(N,)` bool, on the CPU.
    """
    rows = torch.zeros(len(batch.windows.ids), dtype=torch.bool)
    rows[torch.from_numpy(numpy.asarray(batch.windows.align.dataXd, dtype="int64"))] = True
    return rows


def text_lengths(batch: LayerBatch, rows: Tensor) -> Tensor:
    """
    rows (Tensor): `(N,)` bool, see `text_rows`.
    RETURNS (Tensor): `(B,)`, how many wordpieces of each Doc are among them. Those of two
        overlapping windows count in both.
    """
    total = torch.cat([torch.zeros(1, dtype=torch.long), rows.long().cumsum(0)])
    ends = torch.from_numpy(numpy.asarray(batch.windows.doc_rows, dtype="int64"))
    return total[ends].diff()


def doc_means(
    batch: LayerBatch, layers: Sequence[int], encoder: TransformerModel
) -> NDArray[numpy.float32]:
    """RETURNS (NDArray): `(len(layers), B, E)`, the mean over the pieces of each text without its
    special tokens; zeros for an empty one."""
    rows = text_rows(batch, encoder)
    lengths = text_lengths(batch, rows)
    states = batch.states
    device = states[layers[0]].device
    docs = torch.arange(len(lengths)).repeat_interleave(lengths).to(device)
    counts = lengths.clamp_min(1).to(device)[:, None]
    index = rows.nonzero()[:, 0].to(device)
    means = []
    for layer in layers:
        pieces = states[layer].detach().float().index_select(0, index)
        total = pieces.new_zeros(len(lengths), pieces.shape[1]).index_add_(0, docs, pieces)
        means.append((total / counts).cpu().numpy())
    return numpy.stack(means)


def sentence_states(
    nlp: Language,
    texts: Iterable[str | Doc],
    layers: Sequence[int] | None = None,
    batch_size: int = BATCH_SIZE,
) -> Iterator[NDArray[numpy.float32]]:
    """The sentence vectors of a stream of texts, layer by layer.

    nlp (Language): A pipeline with a dlfa_spacy encoder; only its tokenizer and encoder run.
    texts (Iterable[Union[str, Doc]]): The texts.
    layers (Sequence[int]): Which layers, in which order; 0 = embeddings, negative numbers count
        from the end. All by default.
    batch_size (int): Texts at once.
    YIELDS (NDArray): `(len(layers), b, E)` for each batch: the mean over the wordpieces without
        special tokens. Zeros for an empty text.
    """
    encoder = encoder_of(nlp)
    encoder.load()
    wanted = resolve_layers(layers, encoder.num_layers)
    docs = (text if isinstance(text, Doc) else nlp.make_doc(text) for text in texts)
    for batch in minibatch(docs, batch_size):
        full = [doc for doc in batch if len(doc)]
        vectors = numpy.zeros((len(wanted), len(batch), encoder.packed.width), dtype="float32")
        if full:
            filled = [i for i, doc in enumerate(batch) if len(doc)]
            encoded = encoder.read(full, sorted(set(wanted)))
            vectors[:, filled] = doc_means(encoded, wanted, encoder)
        yield vectors


def all_sentence_states(
    nlp: Language,
    texts: Sequence[str | Doc],
    layers: Sequence[int] | None = None,
    batch_size: int = BATCH_SIZE,
) -> NDArray[numpy.float32]:
    """RETURNS (NDArray): `(len(layers), n, E)`, the batches of `sentence_states` put together.
    Memory is that and one batch."""
    batches = list(sentence_states(nlp, texts, layers, batch_size))
    if not batches:
        encoder = encoder_of(nlp)
        depth = len(resolve_layers(layers, encoder.num_layers))
        return numpy.zeros((depth, 0, int(encoder.get_dim("nO"))), dtype="float32")
    return numpy.concatenate(batches, axis=1)
