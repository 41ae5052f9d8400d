"""What alignment has to beat: each language's mean vector, subtracted in a trained pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import minibatch
from spacy_transformers import Transformer
from thinc.api import Model

from ..language import get_language
from ..parallel.naming import ENGLISH
from ..recipes import listeners
from .mapped_tokens import build_mapped_tokens_v1

NAME = "dlfa_spacy.MappedTokens.v1"
# Names of the layers that map tokens, and that read a sequence of wordpieces.
MAPPED, SEQUENCE = "mapped-tokens", "read-sequence"


def center_languages(nlp: Language, docs: Iterable[Doc], batch_size: int = 64) -> dict[str, int]:
    """Move the token vectors of every language to where the English ones are, in each component
    that listens to a dlfa_spacy encoder: y = x - mean_lang + mean_en.

    Nothing is trained: this is the free baseline of cross-lingual alignment. The pipeline is
    changed in place and saved as any other. From then on a Doc's language is read from
    `doc._.language`; one without a language is left as it is. A mean is over the tokens that have
    wordpieces. A `dlfa_spacy.TextCat.v1` reads sequences of wordpieces and not the vectors of
    tokens: it is unchanged.

    nlp (Language): A trained pipeline.
    docs (Iterable[Doc]): Unannotated text of each language, English too, with `doc._.language`.
    batch_size (int): Docs encoded at a time.
    RETURNS (Dict[str, int]): The tokens that went into each language's mean.
    RAISES (ValueError): There is no component to change, no English text, no other text, or the
        pipeline has maps already.

    Source: Libovický, Rosa & Fraser 2020 (On the Language Neutrality of Pre-trained Multilingual
    Representations).
    """
    nodes = _nodes(nlp)
    layers = [(name, node) for name, node in nodes if node.has_ref("listener")]
    if not layers:
        raise ValueError(
            "No component of this pipeline has a dlfa_spacy.TransformerListener.v1 whose token "
            f"vectors can be centered (found {nlp.pipe_names}). Fix: a tagger or ner that listens."
        )
    mapped = [name for name, node in nodes if node.name == MAPPED]
    if mapped:
        raise ValueError(
            f"The token vectors of {', '.join(mapped)} are mapped by language already ({NAME}), "
            "expected none that are. Fix: center the pipeline as it was trained."
        )
    sums, counts = _means(nlp, docs, [layer for _, layer in layers], batch_size)
    languages = sorted(set(counts) - {ENGLISH})
    if ENGLISH not in counts or not languages:
        raise ValueError(
            f"Centering needs text in English and in other languages, found {sorted(counts)}. Fix: "
            "give Docs of each, with doc._.language set."
        )
    for i, (name, layer) in enumerate(layers):
        means = {language: sums[language][i] / counts[language] for language in counts}
        wrapped = _centred(layer, languages, means)
        nlp.get_pipe(name).model.replace_node(layer, wrapped)  # type: ignore[attr-defined]
    for name in dict.fromkeys(name for name, _ in layers):
        config: dict[str, Any] = nlp.get_pipe_config(name)
        for block in listeners(config["model"]):
            inner = dict(block)
            block.clear()
            block.update({"@architectures": NAME, "maps": "", "tok2vec": inner})
    return counts


def _nodes(nlp: Language) -> list[tuple[str, Model]]:
    """RETURNS (List[Tuple[str, Model]]): Every layer of every component that reads tokens, with the
    component's name."""
    found: list[tuple[str, Model]] = []
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        nodes = list(model.walk()) if isinstance(model, Model) else []
        if not any(node.name == SEQUENCE for node in nodes):
            found += [(name, node) for node in nodes]
    return found


def _means(
    nlp: Language, docs: Iterable[Doc], layers: Sequence[Model], batch_size: int
) -> tuple[dict[str, list[numpy.ndarray]], dict[str, int]]:
    """RETURNS: The sum of each language's vectors, `(E,)` for each layer, and how many."""
    sums: dict[str, list[numpy.ndarray]] = {}
    counts: dict[str, int] = {}
    found: list[Any] = [layer.get_ref("listener") for layer in layers]
    upstream = {listener.upstream_name for listener in found}
    encoders = [
        pipe
        for name, pipe in nlp.pipeline
        if name in upstream or ("*" in upstream and isinstance(pipe, Transformer))
    ]
    for batch in minibatch(docs, batch_size):
        for encoder in encoders:
            batch = list(encoder.pipe(batch, batch_size=batch_size))  # type: ignore[attr-defined]
        for i, layer in enumerate(layers):
            for doc, predicted in zip(batch, layer.predict(batch), strict=True):
                language = get_language(doc)
                if not language:
                    continue
                vectors: Any = layer.ops.to_numpy(predicted)
                rows = vectors[vectors.any(axis=1)]
                sums.setdefault(language, [numpy.zeros(vectors.shape[1]) for _ in layers])
                sums[language][i] += rows.sum(axis=0, dtype="float64")
                if i == 0:
                    counts[language] = counts.get(language, 0) + len(rows)
    return sums, {language: count for language, count in counts.items() if count}


def _centred(layer: Model, languages: Sequence[str], means: Mapping[str, numpy.ndarray]) -> Model:
    """RETURNS (Model): The layer, whose vectors are moved by language."""
    wrapped: Any = build_mapped_tokens_v1("", layer)
    width = len(means[ENGLISH])
    tables = {
        "W": numpy.stack([numpy.eye(width)] * len(languages)),
        "means": numpy.stack([means[language] for language in languages]),
        "english": numpy.stack([means[ENGLISH]] * len(languages)),
    }
    for name, table in tables.items():
        wrapped.set_param(name, wrapped.ops.asarray(table.astype("f")))
    wrapped.attrs["languages"] = list(languages)
    wrapped.set_dim("nO", width, force=True)
    return cast(Model, wrapped)
