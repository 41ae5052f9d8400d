"""The weight of each layer in a task: by language and part of speech."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from spacy.language import Language
from spacy.tokens import Doc
from torch import Tensor

from ..encoder.batch import LayerBatch
from ..language import get_language
from ..pipeline.encoders import encoder_of
from ..pipeline.inspection import evaluating, named_aggregators
from ..pipeline.states import BATCH_SIZE, encoded_batches

# Stands for all tokens of a language, and for all languages.
ALL = "all"


def weight_rows(
    nlp: Language, docs: Iterable[Doc], batch_size: int = BATCH_SIZE
) -> Iterator[dict[str, Any]]:
    """The layer weights of every component that has any, over some texts.

    Those of `LayerAttention` differ from token to token: the mean over the tokens of each language
    and UPOS tag, each token the mean of its wordpieces. Those of `ScalarMix` are the same for all.

    nlp (Language): A trained pipeline.
    docs (Iterable[Doc]): Texts; `doc._.language` tells the language, `token.pos_` the tag: gold
        ones, or those of a pipeline.
    batch_size (int): Texts at once.
    YIELDS (Dict[str, Any]): component, aggregator, language, upos, layer, weight, tokens. A row
        with upos "all" is over all tags, one with language "all" over all languages.
    RAISES (ValueError): No component has layer weights.
    """
    modules = [(n, m) for n, m in named_aggregators(nlp) if m.layer_weights() is not None]
    if not modules:
        raise ValueError(
            f"No component of the pipeline {nlp.pipe_names} has layer weights. Expected a "
            "dlfa_spacy.LayerAttention.v1 or dlfa_spacy.ScalarMix.v1. Fix: name a pipeline that "
            "was trained with one; of DLFA, look at the gates."
        )
    encoder = encoder_of(nlp)
    depth = encoder.num_layers + 1
    needed = {
        layer
        for _, module in modules
        if module.weighs_pieces
        for layer in module.needs(encoder.num_layers)
    } or {0}
    totals: dict[tuple[int, str, str], NDArray] = {}
    counts: dict[tuple[int, str, str], int] = {}
    for batch in encoded_batches(encoder, docs, sorted(needed), batch_size):
        groups = _token_groups(batch)
        for number, (_, module) in enumerate(modules):
            weights = token_weights(module, batch)
            for language, upos in sorted(set(groups)):
                own = numpy.asarray([group == (language, upos) for group in groups])
                own &= batch.windows.align.lengths > 0
                for key in {(language, upos), (language, ALL), (ALL, upos), (ALL, ALL)}:
                    full = (number, *key)
                    totals[full] = totals.get(full, numpy.zeros(depth)) + weights[own].sum(axis=0)
                    counts[full] = counts.get(full, 0) + int(own.sum())
    for number, language, upos in sorted(totals, key=_order):
        name, module = modules[number]
        count = counts[number, language, upos]
        if not count:
            continue
        for layer, total in enumerate(totals[number, language, upos]):
            yield {
                "component": name,
                "aggregator": type(module).__name__,
                "language": language,
                "upos": upos,
                "layer": layer,
                "weight": float(total) / count,
                "tokens": count,
            }


def token_weights(module: Any, batch: LayerBatch) -> NDArray[numpy.float64]:
    """RETURNS (NDArray): `(n_tokens, S)`, the weight of each layer for each token: the mean
    over its pieces. Zeros for a token without pieces."""
    with torch.no_grad(), evaluating(module):
        if module.weighs_pieces:
            pieces = module.piece_weights(batch.states)
        else:
            pieces = module.layer_weights().expand(len(batch.windows.ids), -1)
    return token_means(pieces, batch)


def token_means(pieces: Tensor, batch: LayerBatch) -> NDArray[numpy.float64]:
    """
    pieces (Tensor): `(N, K)`, some numbers for each wordpiece.
    batch (LayerBatch): Whose wordpieces they are.
    RETURNS (NDArray): `(n_tokens, K)`, the mean over the pieces of each token; zeros without any.
    """
    lengths = numpy.asarray(batch.windows.align.lengths)
    rows = pieces.cpu().numpy().astype("float64")
    means = numpy.zeros((len(lengths), rows.shape[1]))
    tokens = numpy.repeat(numpy.arange(len(lengths)), lengths)
    numpy.add.at(means, tokens, rows[numpy.asarray(batch.windows.align.dataXd)])
    return means / numpy.maximum(lengths, 1)[:, None]


def _token_groups(batch: LayerBatch) -> list[tuple[str, str]]:
    """RETURNS (List[Tuple[str, str]]): Language and tag of each token."""
    return [(get_language(doc) or "?", token.pos_ or "?") for doc in batch.docs for token in doc]


def _order(key: tuple[int, str, str]) -> tuple[int, bool, str, bool, str]:
    number, language, upos = key
    return number, language != ALL, language, upos != ALL, upos
