"""Pipelines that classify texts, and the same computation in plain PyTorch."""

import copy
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy
import pipelines
import spacy
import torch
from pipelines import AGGREGATIONS, Head, aggregator, errors_by_layer, mean_of_rows, padded_states
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config, Model
from torch import Tensor, nn

from dlfa_spacy.encoder.model import TransformerModel
from dlfa_spacy.layers.listener import TransformerListener
from dlfa_spacy.pairs import SEPARATOR

LABELS = ["A", "B", "C"]
# Several windows of 12 wordpieces, overlapping.
LONG = ["Anna lives in Berlin the unable ed " * 4, "the Berlin " * 9]

NER = """
[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"
extra_state_tokens = false
hidden_width = 16
maxout_pieces = 2
use_upper = false

[components.ner.model.tok2vec]
@architectures = "dlfa_spacy.TransformerListener.v1"

[components.ner.model.tok2vec.pooling]
@layers = "reduce_mean.v1"

[components.ner.model.tok2vec.aggregation]
@layers = "dlfa_spacy.LayerAttention.v1"
dropout = 0.0
"""


def block(
    kind: str,
    sequence: str = "cls",
    pooler: str | None = "pretrained",
    exclusive: bool = True,
    dropout: float = 0.0,
    grad_factor: float = 1.0,
    heads: int = 1,
    orthogonality: float = 0.0,
) -> str:
    """RETURNS (str): The [components.textcat] part of a config."""
    return f"""
[components.textcat]
factory = "{"textcat" if exclusive else "textcat_multilabel"}"

[components.textcat.model]
@architectures = "dlfa_spacy.TextCat.v1"
exclusive_classes = {str(exclusive).lower()}
sequence = "{sequence}"
pooler = {"null" if pooler is None else f'"{pooler}"'}
dropout = {dropout}
heads = {heads}
orthogonality = {orthogonality}

[components.textcat.model.tok2vec]
@architectures = "dlfa_spacy.TransformerListener.v1"
grad_factor = {grad_factor}

[components.textcat.model.tok2vec.pooling]
@layers = "reduce_mean.v1"

[components.textcat.model.tok2vec.aggregation]
{AGGREGATIONS[kind]}
"""


def config(
    folder: str,
    kind: str = "attention",
    factory: str = "dlfa_transformer",
    beside: Sequence[str] = (),
    window: int = 60,
    stride: int = 60,
    pairs: str = "together",
    **settings: Any,
) -> Config:
    """A classifier; `beside` may name "tagger" and "ner", which come before it."""
    taggers = {name: kind for name in beside if name == "tagger"}
    text = pipelines.config(folder, taggers, factory, window=window, stride=stride).to_str()
    text += (NER if "ner" in beside else "") + block(kind, **settings)
    settled = Config().from_str(text, interpolate=False)
    settled["components"]["transformer"]["model"]["get_spans"]["pairs"] = pairs
    settled["nlp"]["pipeline"] = ["transformer", *beside, "textcat"]
    return settled


def cats(text: str, exclusive: bool) -> dict[str, float]:
    first = len(text) % 3
    second = first if exclusive else (len(text) // 3) % 3
    return {label: float(i in (first, second)) for i, label in enumerate(LABELS)}


def make_examples(nlp: Language, texts: Sequence[str]) -> list[Example]:
    exclusive = not nlp.get_pipe("textcat").model.attrs["multi_label"]  # type: ignore[attr-defined]
    examples = []
    for text in texts:
        reference = nlp.make_doc(text)
        for token in reference:
            token.tag_ = f"T{len(token) % 3}"
        names = [token.i for token in reference if token.text[0].isupper()]
        reference.ents = [Span(reference, i, i + 1, label="NAME") for i in names]
        reference.cats = cats(text, exclusive)
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


def build(folder: str, *args: Any, randomized: bool = True, **settings: Any) -> Language:
    """RETURNS (Language): Initialized, with random weights in all heads."""
    nlp = load_model_from_config(config(folder, *args, **settings), auto_fill=True)
    spacy.util.fix_random_seed(0)
    torch.manual_seed(0)
    nlp.initialize(lambda: make_examples(nlp, [*pipelines.TEXTS, *pipelines.MORE_TEXTS]))
    if randomized:
        pooler = classifier(nlp).maybe_get_ref("pooler")
        own = None if pooler is None else pooler.get_param("W").copy()
        pipelines.randomize(nlp)
        if pooler is not None:
            pooler.set_param("W", own)
    return nlp


def learn_label(nlp: Language, new: str) -> None:
    """Teach a classifier that every text has a label that was added to it."""
    examples = make_examples(nlp, pipelines.TEXTS)
    for example in examples:
        example.reference.cats = {label: float(label == new) for label in [*LABELS, new]}
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 1e-2
    for _ in range(30):
        nlp.update(examples, sgd=optimizer)


def classifier(nlp: Language) -> Model:
    return cast(Model, nlp.get_pipe("textcat").model)  # type: ignore[attr-defined]


def scores(nlp: Language, texts: Sequence[str]) -> Tensor:
    """RETURNS: `(B, 3)`."""
    return torch.tensor([[doc.cats[c] for c in LABELS] for doc in nlp.pipe(texts)])


class TextcatBench(pipelines.Bench):
    """A pipeline and a plain PyTorch copy of its encoder and its classifier, loss included; for
    components beside it, of what they read.

    nlp (Language): An initialized pipeline.
    """

    def __init__(self, nlp: Language, grad_factor: float = 1.0, one_window: bool = True):
        self.nlp = nlp
        self.grad_factor = grad_factor
        self.one_window = one_window
        self.transformer = copy.deepcopy(self.encoder)
        self.heads = {
            name: _record(nlp, name) for name in ("tagger", "ner") if name in nlp.pipe_names
        }
        model = classifier(nlp)
        self.sequence = model.layers[0].attrs["sequence"]
        self.exclusive = not model.attrs["multi_label"]
        self.module = copy.deepcopy(aggregator(nlp, "textcat"))
        pooler = model.maybe_get_ref("pooler")
        self.pooler = None if pooler is None else _linear(pooler)
        self.output = _linear(model.get_ref("output_layer"))

    @property
    def encoder_model(self) -> TransformerModel:
        for node in classifier(self.nlp).walk():
            if isinstance(node, TransformerModel):
                return node
        return cast(TransformerModel, self.nlp.get_pipe("transformer").model)  # type: ignore[attr-defined]

    @property
    def encoder(self) -> nn.Module:
        return cast(nn.Module, self.encoder_model.transformer)

    @property
    def tokenizer(self) -> Any:
        return self.encoder_model.tokenizer

    def update(self, texts: Sequence[str], **settings: Any) -> dict[str, float]:
        settings.setdefault("sgd", False)
        return self.nlp.update(make_examples(self.nlp, texts), **settings)

    def logits(
        self,
        vectors: Tensor,
        windows: list[list[int]],
        docs: Sequence[Doc],
        rows: list[list[list[int]]],
    ) -> Tensor:
        """`(N, E)`, the lengths of each Doc's windows, the rows of its tokens -> `(B, 3)`"""
        if self.sequence == "pair":
            compared = [self._compared(vectors, *pair) for pair in zip(docs, rows, strict=True)]
            return self._classified(torch.stack(compared))
        read = []
        begin = 0
        for lengths in windows:
            parts = []
            for length in lengths:
                rows = vectors[begin : begin + length]
                parts.append(rows[:1] if self.sequence == "cls" else rows)
                begin += length
            read.append(torch.cat(parts).mean(dim=0) if parts else torch.zeros(vectors.shape[1]))
        return self._classified(torch.stack(read))

    def _compared(self, vectors: Tensor, doc: Doc, rows: list[list[int]]) -> Tensor:
        """InferSent's four vectors of a pair."""
        words = [token.text for token in doc]
        place = words.index(SEPARATOR) if SEPARATOR in words else len(words)
        means = []
        for part in (rows[:place], rows[place + 1 :]):
            read = sorted({row for token in part for row in token})
            means.append(vectors[read].mean(dim=0) if read else torch.zeros(vectors.shape[1]))
        u, v = means
        return torch.cat([u, v, (u - v).abs(), u * v])

    def _classified(self, pooled: Tensor) -> Tensor:
        if self.pooler is not None:
            pooled = torch.tanh(self.pooler(pooled))
        return self.output(pooled)

    def scores(self, texts: Sequence[str]) -> Tensor:
        """RETURNS: `(B, 3)`, what the pipeline should predict."""
        self.transformer.eval()
        self.module.eval()
        with torch.no_grad():
            docs = [self.nlp.make_doc(text) for text in texts]
            states, lengths, rows, windows = self._states(docs)
            logits = self.logits(self.module(states, lengths), windows, docs, rows)
        return logits.softmax(dim=1) if self.exclusive else logits.sigmoid()

    def repeat(self, *batches: Sequence[str]) -> None:
        sent = {name: list(head.sent) for name, head in self.heads.items()}
        for module in (self.transformer, self.module, *(h.module for h in self.heads.values())):
            if module is not None:
                module.train()
        for texts in batches:
            docs = [self.nlp.make_doc(text) for text in texts]
            if not any(len(doc) for doc in docs):
                continue
            states, lengths, rows, windows = self._states(docs)
            losses = []
            for name, head in self.heads.items():
                vectors = head.module(states, lengths)  # type: ignore[misc]
                tokens = [mean_of_rows(vectors, doc_rows) for doc_rows in rows]
                pairs = zip(tokens, sent[name].pop(0), strict=True)
                losses += [(token * d).sum() for token, d in pairs if len(token)]
            f = self.grad_factor
            scaled = f * states + (1 - f) * states.detach()
            logits = self.logits(self.module(scaled, lengths), windows, docs, rows)
            losses.append(self._classification_loss(logits, texts))
            torch.stack(losses).sum().backward()

    def _classification_loss(self, logits: Tensor, texts: Sequence[str]) -> Tensor:
        """spaCy's: cross entropy, or half the squared error of each class; summed."""
        truth = torch.tensor([list(cats(text, self.exclusive).values()) for text in texts])
        if self.exclusive:
            return -(truth * logits.log_softmax(dim=1)).sum()
        return 0.5 * ((logits.sigmoid() - truth) ** 2).sum()

    def _states(
        self, docs: Sequence[Doc]
    ) -> tuple[Tensor, Tensor, list[list[list[int]]], list[list[int]]]:
        """RETURNS: `(S, N, E)`; `(W,)`; for each Doc and token its rows; for each Doc the lengths
        of its windows."""
        if self.one_window:
            states, lengths, rows = padded_states(self.transformer, self.tokenizer, docs)
            counts = iter(lengths.tolist())
            return states, lengths, rows, [[next(counts)] if len(doc) else [] for doc in docs]
        windows = self.encoder_model.segment(docs)
        layers = []
        types = numpy.zeros_like(windows.ids) if windows.types is None else windows.types
        both = torch.from_numpy(numpy.stack([windows.ids, types]))
        for ids, kinds in both.split(windows.lengths.tolist(), dim=1):
            output = self.transformer(
                input_ids=ids[None], token_type_ids=kinds[None], output_hidden_states=True
            )
            layers.append(torch.stack(output.hidden_states)[:, 0])
        counts = iter(windows.lengths.tolist())
        per_doc = [[next(counts) for _ in range(n)] for n in windows.doc_windows.tolist()]
        owned = iter(torch.from_numpy(windows.align.dataXd).split(windows.align.lengths.tolist()))
        rows = [[next(owned).tolist() for _ in doc] for doc in docs]
        return torch.cat(layers, dim=1), torch.from_numpy(windows.lengths), rows, per_doc

    def errors(self) -> dict[str, float]:
        found = super().errors()
        found["aggregation"] = max(
            errors_by_layer(self.own_aggregator, self.module).values(), default=0.0
        )
        model = classifier(self.nlp)
        layers = [("output", model.get_ref("output_layer"), self.output)]
        if self.pooler is not None:
            layers.append(("pooler", model.get_ref("pooler"), self.pooler))
        for name, layer, reference in layers:
            assert layer.has_grad("W")
            for param, expected in (("W", reference.weight), ("b", reference.bias)):
                assert expected.grad is not None
                difference = torch.tensor(layer.get_grad(param)) - expected.grad
                found[f"{name}.{param}"] = float(difference.norm() / expected.grad.norm())
        return found

    @property
    def own_aggregator(self) -> nn.Module:
        found = aggregator(self.nlp, "textcat")
        if found is not None:
            return cast(nn.Module, found)
        (node,) = [n for n in classifier(self.nlp).walk() if n.name == "aggregate-batch"]
        return cast(nn.Module, node.layers[0].shims[0]._model)


def bench(folder: str, *args: Any, **settings: Any) -> TextcatBench:
    nlp = build(folder, *args, **settings)
    one_window = settings.get("window", 60) == 60
    return TextcatBench(nlp, settings.get("grad_factor", 1.0), one_window)


def _record(nlp: Language, name: str) -> Head:
    for node in nlp.get_pipe(name).model.walk():  # type: ignore[attr-defined]
        if node.layers and isinstance(node.layers[0], TransformerListener):
            model = cast(Any, SimpleNamespace(get_ref=lambda _, node=node: node))
            return pipelines._record(name, model, 1.0)
    raise ValueError(f"{name} does not listen")


def _linear(layer: Model) -> nn.Linear:
    W, b = layer.get_param("W"), layer.get_param("b")
    linear = nn.Linear(W.shape[1], W.shape[0])
    linear.weight.data = torch.tensor(W)
    linear.bias.data = torch.tensor(b)
    return linear
