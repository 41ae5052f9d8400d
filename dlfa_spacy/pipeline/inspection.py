"""For researchers: the encoder's layers by token, and what the aggregators have learned."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast, overload

import numpy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.data_classes import TransformerData
from thinc.api import Model, get_array_module, reduce_first, reduce_last, reduce_mean
from thinc.types import Floats3d, Ragged
from torch import nn

from ..aggregators.contract import Aggregator
from ..aggregators.layer_index import resolve_layer
from ..aggregators.shim import AggregatorShim
from ..encoder.batch import HIDDEN_STATES, DocPieces
from ..encoder.model import TransformerModel
from .encoders import encoder_of

POOLINGS = {"first": reduce_first, "last": reduce_last, "mean": reduce_mean}


@overload
def layer_states(
    docs: Doc,
    *,
    nlp: Language | None = None,
    layers: Sequence[int] | None = None,
    word_repr: str = "mean",
) -> Floats3d: ...


@overload
def layer_states(
    docs: Sequence[Doc],
    *,
    nlp: Language | None = None,
    layers: Sequence[int] | None = None,
    word_repr: str = "mean",
) -> list[Floats3d]: ...


def layer_states(
    docs: Doc | Sequence[Doc],
    *,
    nlp: Language | None = None,
    layers: Sequence[int] | None = None,
    word_repr: str = "mean",
) -> Floats3d | list[Floats3d]:
    """The hidden states of an encoder's layers, one vector per token.

    docs (Doc or Sequence[Doc]): Docs that a pipeline with our encoder has processed, or any Docs
        if `nlp` is given. Without `nlp` the Docs must still carry `doc._.trf_data` (a `doc_cleaner`
        removes it).
    nlp (Language): The pipeline whose encoder is asked.
    layers (Sequence[int]): Which layers, in which order; 0 = embeddings, negative numbers count
        from the end. All by default.
    word_repr (str): How the wordpieces of a token become one vector: "mean", "first" or "last".
    RETURNS (Floats3d or List[Floats3d]): `(len(layers), n_tokens, E)` for a Doc. Zeros for a token
        without wordpieces.
    RAISES (ValueError): No encoder to be found, or no such layer.

    EXAMPLE:
        >>> states = layer_states(nlp("Berlin is big"), nlp=nlp, layers=[8])
        >>> states.shape
        (1, 3, 768)
    """
    batch = [docs] if isinstance(docs, Doc) else list(docs)
    if word_repr not in POOLINGS:
        raise ValueError(
            f'word_repr = "{word_repr}": expected "mean", "first" or "last". Fix: word_repr="mean".'
        )
    encoder = _find_encoder(batch, nlp)
    datas = _states(batch, encoder)
    depth, width = _shape(datas, encoder)
    wanted = [
        resolve_layer(layer, depth, "layers")
        for layer in (range(depth + 1) if layers is None else layers)
    ]
    pooled = [
        _pool(data, wanted, word_repr, len(doc), width)
        for doc, data in zip(batch, datas, strict=True)
    ]
    return pooled[0] if isinstance(docs, Doc) else pooled


def layer_weights(nlp: Language, docs: Sequence[Doc] | None = None) -> dict[str, list[float]]:
    """The weight of each layer in each component of a trained pipeline.

    nlp (Language): The pipeline.
    docs (Sequence[Doc]): With them, attention weights are the mean over these texts; without them,
        or where all are empty, those of a token without content.
    RETURNS (Dict[str, List[float]]): Component -> one weight for each layer (0 = embeddings), for
        the aggregators that have such weights: ScalarMix and LayerAttention.
    """
    found = {}
    for name, component in nlp.pipeline:
        model = getattr(component, "model", None)
        if not isinstance(model, Model):
            continue
        for module in aggregators_of(model):
            # A module that has just been trained would still drop layers at random.
            with evaluating(module):
                by_text = module.weighs_pieces and any(len(doc) for doc in docs or [])
                weights = module.layer_weights(_packed_states(nlp, docs or []) if by_text else None)
            if weights is None:
                continue
            found[name] = [float(weight) for weight in weights]
    return found


def aggregators_of(model: Model) -> list[Aggregator]:
    """RETURNS (List[Aggregator]): The torch modules of all aggregators inside a thinc model."""
    modules: list[Aggregator] = []
    for node in model.walk():
        if node.shims and isinstance(node.shims[0], AggregatorShim) and node.shims[0].is_built:
            modules.append(node.shims[0].module)
    return modules


def _find_encoder(docs: Sequence[Doc], nlp: Language | None) -> TransformerModel | None:
    if nlp is not None:
        return encoder_of(nlp)
    for doc in docs:
        data = doc._.trf_data if Doc.has_extension("trf_data") else None
        if isinstance(data, DocPieces) and data.encoder is not None:
            return data.encoder()
    return None


def _states(docs: Sequence[Doc], encoder: TransformerModel | None) -> list[TransformerData | None]:
    datas = [doc._.trf_data if Doc.has_extension("trf_data") else None for doc in docs]
    carried = [
        data is not None and (HIDDEN_STATES in data.model_output or len(doc) == 0)
        for doc, data in zip(docs, datas, strict=True)
    ]
    if all(carried):
        return datas
    if encoder is None:
        raise ValueError(
            "These Docs carry no hidden states and know no encoder: doc._.trf_data is empty (a "
            "doc_cleaner removes it, and so does saving). Fix: layer_states(docs, nlp=nlp)."
        )
    return list(encoder.encode(docs, list(range(encoder.num_layers + 1))).doc_data)


def _shape(
    datas: Sequence[TransformerData | None], encoder: TransformerModel | None
) -> tuple[int, int]:
    """RETURNS (Tuple[int, int]): Depth and width, of the encoder or of a Doc that is not empty."""
    for data in datas:
        if data is not None and HIDDEN_STATES in data.model_output:
            layers, _, width = data.model_output[HIDDEN_STATES].shape
            return layers - 1, width
    if encoder is not None:
        return encoder.num_layers, int(encoder.get_dim("nO"))
    if datas:
        raise ValueError(
            "All Docs are empty, and know no encoder to tell its size. Fix: "
            "layer_states(docs, nlp=nlp)."
        )
    return 0, 0


def _pool(
    data: TransformerData | None,
    layers: Sequence[int],
    word_repr: str,
    n_tokens: int,
    width: int,
) -> Floats3d:
    if data is None or HIDDEN_STATES not in data.model_output:
        return cast(Floats3d, numpy.zeros((len(layers), 0, width), dtype="f"))
    states, align = data.model_output[HIDDEN_STATES], data.align
    pooling = POOLINGS[word_repr]()
    xp = get_array_module(states)
    output = xp.zeros((len(layers), n_tokens, width), dtype="f")
    if align.lengths.any():
        # Alignments are on the CPU.
        index, lengths = xp.asarray(align.dataXd), xp.asarray(align.lengths)
        owned = lengths > 0
        for i, layer in enumerate(layers):
            ragged = Ragged(states[layer][index], lengths[owned])
            output[i, owned] = pooling.predict(ragged)
    return cast(Floats3d, output)


def _packed_states(nlp: Language, docs: Sequence[Doc]) -> torch.Tensor:
    encoder = encoder_of(nlp)
    batch = encoder.encode(list(docs), list(range(encoder.num_layers + 1)))
    return torch.stack(list(batch.states))


def named_aggregators(nlp: Language) -> list[tuple[str, Aggregator]]:
    """RETURNS (List[Tuple[str, Any]]): Component and module of every aggregator of a pipeline."""
    return [
        (name, module)
        for name, component in nlp.pipeline
        if isinstance(getattr(component, "model", None), Model)
        for module in aggregators_of(component.model)  # type: ignore[attr-defined]
    ]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module into the state of prediction, without dropout and with running statistics.

    YIELDS (None): Nothing.
    """
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)
