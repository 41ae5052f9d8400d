"""How far fine-tuning moved each layer of an encoder."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray
from spacy.language import Language

from ..encoder.model import TransformerModel
from ..metrics.cka import cka, disjoint_batches
from ..metrics.similarity import cosine_rows
from ..pipeline.encoders import encoder_of
from ..pipeline.states import doc_means, text_rows


def drift_rows(
    base: Language, tuned: Language, texts: Mapping[str, Sequence[str]], size: int = 125
) -> Iterator[dict[str, Any]]:
    """Compare an encoder before and after fine-tuning, layer by layer and language by language.

    base (Language): With the encoder as it was.
    tuned (Language): With the fine-tuned one.
    texts (Mapping[str, Sequence[str]]): Language -> texts.
    size (int): Texts in a batch.
    YIELDS (Dict[str, Any]): language, layer, drift (1 - cosine, the mean over wordpieces), drift_sd
        (over them), cka_linear and cka_rbf (debiased, between the sentence vectors before and
        after, the mean over batches), pieces, n.
    RAISES (ValueError): The two have other depths or tokenizers.

    Source: Merchant et al. 2020 (What happens to BERT embeddings during fine-tuning?), section 5.
    """
    encoders = [encoder_of(base), encoder_of(tuned)]
    for encoder in encoders:
        encoder.load()
    _check_same(*encoders)
    depth = encoders[0].num_layers + 1
    # The same windows on both sides, whatever the configs say.
    own_spans = encoders[0].attrs["get_spans"]
    encoders[0].attrs["get_spans"] = copy.deepcopy(encoders[1].attrs["get_spans"])
    try:
        for language, sentences in texts.items():
            cosines: list[list[NDArray]] = [[] for _ in range(depth)]
            linear: list[list[float]] = [[] for _ in range(depth)]
            rbf: list[list[float]] = [[] for _ in range(depth)]
            for part in disjoint_batches(len(sentences), size):
                docs = [tuned.make_doc(text) for text in sentences[part]]
                docs = [doc for doc in docs if len(doc)]
                layers = list(range(depth))
                before, after = (encoder.encode(docs, layers) for encoder in encoders)
                rows = text_rows(after, encoders[1])
                means = [
                    doc_means(batch, layers, encoder)
                    for batch, encoder in zip((before, after), encoders, strict=True)
                ]
                for layer in layers:
                    a, b = (
                        batch.states[layer].detach().cpu()[rows].numpy()
                        for batch in (before, after)
                    )
                    cosines[layer].append(cosine_rows(a, b))
                    if len(docs) > 3:
                        pair = means[0][layer], means[1][layer]
                        linear[layer].append(cka(*pair, "linear"))
                        rbf[layer].append(cka(*pair, "rbf"))
            for layer in range(depth):
                found = numpy.concatenate(cosines[layer])
                yield {
                    "language": language,
                    "layer": layer,
                    "drift": float(1 - found.mean()),
                    "drift_sd": float(found.std()),
                    "cka_linear": float(numpy.mean(linear[layer] or [numpy.nan])),
                    "cka_rbf": float(numpy.mean(rbf[layer] or [numpy.nan])),
                    "pieces": len(found),
                    "n": len(sentences),
                }
    finally:
        encoders[0].attrs["get_spans"] = own_spans


def _check_same(base: TransformerModel, tuned: TransformerModel) -> None:
    shapes = [(encoder.num_layers, encoder.packed.width) for encoder in (base, tuned)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The base encoder has {shapes[0][0]} layers of width {shapes[0][1]}, the fine-tuned "
            f"one {shapes[1][0]} of {shapes[1][1]}. Expected the encoder that it was made from. "
            "Fix: name the one in [components.transformer.model] name of the config."
        )
    vocabularies = [encoder.tokenizer.get_vocab() for encoder in (base, tuned)]
    if vocabularies[0] != vocabularies[1]:
        raise ValueError(
            f"The base encoder has {len(vocabularies[0])} wordpieces, the fine-tuned one "
            f"{len(vocabularies[1])}, and not the same. Expected one tokenizer for both. Fix: name "
            "the encoder that the pipeline was made from."
        )
