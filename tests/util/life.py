"""Pipelines around a tiny encoder, their training data, and everything they predict."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config

from dlfa_spacy.encoder.run.packed import PackedEncoder

AGGREGATIONS: dict[str, dict[str, Any]] = {
    "last": {"@layers": "dlfa_spacy.LastLayer.v1"},
    "mean": {"@layers": "dlfa_spacy.MeanLayers.v1", "layers": [0, 2, -1]},
    "low": {"@layers": "dlfa_spacy.MeanLayers.v1", "layers": [1, 2]},
    "mix": {"@layers": "dlfa_spacy.ScalarMix.v1"},
    "attention": {"@layers": "dlfa_spacy.LayerAttention.v1"},
    "fusion": {"@layers": "dlfa_spacy.DoubleLayerFusion.v1"},
    "control": {"@layers": "dlfa_spacy.DoubleLayerFusion.v1", "layer": "control"},
}
FACTORIES = ["dlfa_transformer", "transformer"]
TEXTS = ["Anna lives in Berlin", "the un able Berlin", "Berlin", "lives the in Anna Berlin ed"]


def encoder_block(folder: str, factory: str = "dlfa_transformer", **model: Any) -> dict[str, Any]:
    getter = {"@span_getters": "dlfa_spacy.wordpiece_spans.v1", "window": 12, "stride": 8}
    block = {
        "@architectures": "dlfa_spacy.TransformerModel.v1",
        "name": folder,
        "get_spans": getter,
        **model,
    }
    # Comparisons are exact, and what is kept of a frozen encoder is rounded.
    exact = {"cache": 0} if factory == "dlfa_transformer" else {}
    return {"factory": factory, "model": block, **exact}


def stock_encoder_block(folder: str, factory: str = "transformer") -> dict[str, Any]:
    block = encoder_block(folder, factory)
    block["model"]["@architectures"] = "spacy-transformers.TransformerModel.v3"
    block["model"]["get_spans"] = {"@span_getters": "spacy-transformers.doc_spans.v1"}
    return block


def listener(aggregation: str = "attention", **settings: Any) -> dict[str, Any]:
    return {
        "@architectures": "dlfa_spacy.TransformerListener.v1",
        "aggregation": dict(AGGREGATIONS[aggregation]),
        "pooling": {"@layers": "reduce_mean.v1"},
        **settings,
    }


def head(listener: dict[str, Any], width: int = 8) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): A listener with stock layers of thinc and spaCy around it, as the
    configs for a frozen encoder have."""
    layer = {"@layers": "Gelu.v1", "nO": width, "dropout": 0.1}
    reduce = {"@layers": "with_array.v1", "layer": layer}
    window = {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": width, "window_size": 1}
    return {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@layers": "chain.v1", "*": {"listener": listener, "reduce": reduce}},
        "encode": {**window, "maxout_pieces": 2, "depth": 1},
    }


def stock_listener(**settings: Any) -> dict[str, Any]:
    return {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
        **settings,
    }


def _transition(tok2vec: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "@architectures": "spacy.TransitionBasedParser.v2",
        "state_type": kind,
        "extra_state_tokens": False,
        "hidden_width": 16,
        "maxout_pieces": 2,
        "use_upper": False,
        "tok2vec": tok2vec,
    }


def component(name: str, tok2vec: dict[str, Any]) -> dict[str, Any]:
    """RETURNS (Dict[str, Any]): The [components.X] block of a stock component that listens."""
    if name in ("tagger", "morphologizer", "senter"):
        model = {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}
        return {"factory": name, "model": model}
    if name == "ner":
        return {"factory": "ner", "model": _transition(tok2vec, "ner")}
    if name == "parser":
        return {"factory": "parser", "min_action_freq": 1, "model": _transition(tok2vec, "parser")}
    if name == "spancat":
        model = {
            "@architectures": "spacy.SpanCategorizer.v1",
            "reducer": {"@layers": "spacy.mean_max_reducer.v1", "hidden_size": 16},
            "scorer": {"@layers": "spacy.LinearLogistic.v1", "nO": None, "nI": None},
            "tok2vec": tok2vec,
        }
        suggester = {"@misc": "spacy.ngram_suggester.v1", "sizes": [1, 2]}
        return {"factory": name, "threshold": 0.0, "model": model, "suggester": suggester}
    if name == "textcat":
        model = {
            "@architectures": "spacy.TextCatReduce.v1",
            "exclusive_classes": True,
            "use_reduce_first": False,
            "use_reduce_last": False,
            "use_reduce_max": False,
            "use_reduce_mean": True,
            "tok2vec": tok2vec,
        }
        return {"factory": "textcat", "model": model}
    if name == "textcat_ensemble":
        linear = {
            "@architectures": "spacy.TextCatBOW.v3",
            "exclusive_classes": True,
            "length": 256,
            "ngram_size": 1,
            "no_output_layer": False,
        }
        model = {
            "@architectures": "spacy.TextCatEnsemble.v2",
            "linear_model": linear,
            "tok2vec": tok2vec,
        }
        return {"factory": "textcat", "model": model}
    raise KeyError(name)


def config(
    folder: str,
    components: Iterable[str] | dict[str, dict[str, Any]] = ("tagger",),
    aggregation: str = "attention",
    factory: str = "dlfa_transformer",
    training: dict[str, Any] | None = None,
) -> Config:
    """A pipeline's config: an encoder, and components that listen to it with an aggregation each.

    components: Names, or name -> tok2vec block.
    """
    if not isinstance(components, dict):
        components = {name: listener(aggregation) for name in components}
    blocks = {name: component(name, tok2vec) for name, tok2vec in components.items()}
    return Config(
        {
            "nlp": {"lang": "xx", "pipeline": ["transformer", *blocks], "batch_size": 2},
            "components": {"transformer": encoder_block(folder, factory), **blocks},
            **({"training": training} if training else {}),
        }
    )


def pipeline(*args: Any, **settings: Any) -> Language:
    return load_model_from_config(config(*args, **settings), auto_fill=True)


ANNOTATIONS: list[dict[str, Any]] = [
    {
        "words": ["Anna", "lives", "in", "Berlin", "the", "un", "able"],
        "tags": ["NNP", "VBZ", "IN", "NNP", "DT", "JJ", "JJ"],
        "pos": ["PROPN", "VERB", "ADP", "PROPN", "DET", "ADJ", "ADJ"],
        "heads": [1, 1, 3, 1, 6, 6, 6],
        "deps": ["nsubj", "ROOT", "case", "obl", "det", "amod", "ROOT"],
        "sent_starts": [1, 0, 0, 0, 1, 0, 0],
        "entities": ["U-PER", "O", "O", "U-LOC", "O", "O", "O"],
        "cats": {"A": 1.0, "B": 0.0},
        "spans": [(0, 1, "PER"), (3, 4, "LOC")],
    },
    {
        "words": ["the", "Berlin", "in", "Berlin"],
        "tags": ["DT", "NNP", "IN", "NNP"],
        "pos": ["DET", "PROPN", "ADP", "PROPN"],
        "heads": [1, 1, 3, 1],
        "deps": ["det", "ROOT", "case", "nmod"],
        "sent_starts": [1, 0, 0, 0],
        "entities": ["O", "U-LOC", "O", "U-LOC"],
        "cats": {"A": 0.0, "B": 1.0},
        "spans": [(1, 2, "LOC"), (3, 4, "LOC")],
    },
]


def gold_docs(nlp: Language) -> list[Doc]:
    docs = []
    for gold in ANNOTATIONS:
        fields = {k: v for k, v in gold.items() if k not in ("entities", "cats", "spans")}
        fields["ents"] = [tag.replace("U-", "B-") for tag in gold["entities"]]
        fields["morphs"] = ["Number=Sing" if tag == "NNP" else "" for tag in gold["tags"]]
        doc = Doc(nlp.vocab, **fields)
        doc.cats = dict(gold["cats"])
        doc.spans["sc"] = [Span(doc, start, end, label) for start, end, label in gold["spans"]]
        docs.append(doc)
    return docs


def examples(nlp: Language) -> list[Example]:
    docs = gold_docs(nlp)
    return [Example(nlp.make_doc(doc.text), doc) for doc in docs]


def initialized(nlp: Language, steps: int = 0, learn_rate: float = 1e-3) -> Language:
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = learn_rate
    train(nlp, steps, optimizer)
    return nlp


def train(nlp: Language, steps: int, optimizer: Any = None, **settings: Any) -> dict[str, float]:
    optimizer = optimizer or nlp.resume_training()
    losses: dict[str, float] = {}
    for _ in range(steps):
        losses = nlp.update(examples(nlp), sgd=optimizer, **settings)
    return losses


def trained(*args: Any, steps: int = 2, **settings: Any) -> Language:
    return initialized(pipeline(*args, **settings), steps)


def annotations(docs: Iterable[Doc]) -> list[dict[str, Any]]:
    """Everything that the stock components write."""
    return [
        {
            "words": [t.text for t in doc],
            "tags": [t.tag_ for t in doc],
            "pos": [t.pos_ for t in doc],
            "morphs": [str(t.morph) for t in doc],
            "heads": [t.head.i for t in doc],
            "deps": [t.dep_ for t in doc],
            "starts": [t.is_sent_start for t in doc],
            "ents": [(e.start, e.end, e.label_) for e in doc.ents],
            "cats": sorted(doc.cats),
            "spans": sorted((s.start, s.end, s.label_) for s in doc.spans.get("sc", [])),
        }
        for doc in docs
    ]


def scores(docs: Iterable[Doc]) -> list[float]:
    found: list[float] = []
    for doc in docs:
        found.extend(doc.cats[name] for name in sorted(doc.cats))
        group = doc.spans.get("sc")
        if group is not None and len(group):
            keys = [(span.start, span.end, span.label_) for span in group]
            rows = sorted(zip(keys, group.attrs["scores"], strict=True))
            found.extend(float(score) for _, score in rows)
    return found


def vectors(nlp: Language, docs: Sequence[Doc]) -> dict[str, list[numpy.ndarray]]:
    """RETURNS: What each component with a `tok2vec` reads, which tells more than its choices."""
    found = {}
    for name, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        if model is not None and model.has_ref("tok2vec") is True:
            found[name] = [numpy.array(x) for x in model.get_ref("tok2vec").predict(list(docs))]
    return found


def assert_same_docs(expected: Sequence[Doc], found: Sequence[Doc]) -> None:
    assert annotations(expected) == annotations(found)
    numpy.testing.assert_allclose(scores(expected), scores(found), atol=1e-5)


def assert_same(
    expected: Language, found: Language, texts: Sequence[str] = TEXTS, skip: Sequence[str] = ()
) -> None:
    """Two pipelines read and predict the same."""
    docs, other_docs = list(expected.pipe(texts)), list(found.pipe(texts))
    assert_same_docs(docs, other_docs)
    read, other_read = vectors(expected, docs), vectors(found, other_docs)
    assert set(read) == set(other_read)
    for name in read:
        for array, other_array in zip(read[name], other_read[name], strict=True):
            numpy.testing.assert_allclose(array, other_array, atol=1e-5, err_msg=name)


def reloaded(nlp: Language, folder: Path) -> Language:
    nlp.to_disk(folder)
    return spacy.load(folder)


def parameters(nlp: Language, name: str = "transformer") -> dict[str, numpy.ndarray]:
    """RETURNS: A copy of the encoder's weights."""
    transformer = nlp.get_pipe(name).model.transformer  # type: ignore[attr-defined]
    return {k: p.detach().numpy().copy() for k, p in transformer.named_parameters()}


def moved(before: dict[str, numpy.ndarray], after: dict[str, numpy.ndarray]) -> set[str]:
    return {name for name in before if not numpy.array_equal(before[name], after[name])}


@contextmanager
def encoded() -> Iterator[list[int]]:
    """YIELDS: The wordpieces of every run of an encoder."""
    runs: list[int] = []
    forward = PackedEncoder.forward

    def counting(self: PackedEncoder, windows: Any, *args: Any, **kwargs: Any) -> Any:
        runs.append(len(windows.ids))
        return forward(self, windows, *args, **kwargs)

    PackedEncoder.forward = counting  # type: ignore[method-assign]
    try:
        yield runs
    finally:
        PackedEncoder.forward = forward  # type: ignore[method-assign]


def in_layer(folder: str, name: str, layer: int) -> bool:
    """Whether a weight makes H^layer; the embeddings make H^0."""
    block = re.search(r"(?:^|\.)layers?\.(\d+)\.", name)
    if block is None:
        return layer == 0 and "pooler" not in name and "final_norm" not in name
    return int(block[1]) == layer - 1
