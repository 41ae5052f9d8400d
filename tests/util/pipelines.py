"""Small pipelines whose gradients can be computed a second time, in plain PyTorch."""

import copy
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy
import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import load_model_from_config
from thinc.api import Config, Model
from tiny import layers_of
from torch import Tensor, nn

from dlfa_spacy.aggregators.model import aggregator_shim
from dlfa_spacy.layers.listener import TransformerListener

# Every aggregator, without dropout, so that a second computation can repeat the first.
AGGREGATIONS = {
    "last": '@layers = "dlfa_spacy.LastLayer.v1"',
    "mean": '@layers = "dlfa_spacy.MeanLayers.v1"\nlayers = [0, 2, -1]',
    "low": '@layers = "dlfa_spacy.MeanLayers.v1"\nlayers = [1, 2]',
    "mix": '@layers = "dlfa_spacy.ScalarMix.v1"\ndropout = 0.0',
    "mix_norm": '@layers = "dlfa_spacy.ScalarMix.v1"\ndropout = 0.0\nnorm = true\n'
    "embeddings = false",
    "attention": '@layers = "dlfa_spacy.LayerAttention.v1"\nkey_width = 8\ndropout = 0.0',
    "attention_plain": '@layers = "dlfa_spacy.LayerAttention.v1"\nkey_width = 8\n'
    "dropout = 0.0\nresidual = false",
    "product": '@layers = "dlfa_spacy.DoubleLayerFusion.v1"\nlayer = -3',
    "sigmoid": '@layers = "dlfa_spacy.DoubleLayerFusion.v1"\nlayer = 1\ngate = "sigmoid"\n'
    'norm = "layer"',
    "control": '@layers = "dlfa_spacy.DoubleLayerFusion.v1"\nlayer = "control"\nnorm = "none"',
}
# Not an aggregator: a listener of spacy-transformers.
STOCK = "stock"
FACTORIES = ["dlfa_transformer", "transformer"]

TEXTS = [
    "Anna lives in Berlin",
    "the un able",
    "Berlin",
    "the Berlin in Anna ed unable lives the Berlin",
    "Anna",
]
MORE_TEXTS = ["in Berlin lives Anna the unable", "lives lives", "un"]


def config(
    folder: str,
    heads: dict[str, str],
    factory: str = "dlfa_transformer",
    grad_factor: float = 1.0,
    window: int = 60,
    stride: int = 60,
    cache: int | str = 0,
) -> Config:
    """A tagger for each head; `heads` maps its name to what it listens with. Without a cache,
    which rounds, so that a second computation can repeat the first."""
    text = f"""
[nlp]
lang = "xx"
pipeline = {json_list(["transformer", *heads])}

[components]

[components.transformer]
factory = "{factory}"
{f"cache = {json.dumps(cache)}" if factory == "dlfa_transformer" else ""}

[components.transformer.model]
@architectures = "dlfa_spacy.TransformerModel.v1"
name = "{folder}"
transformer_config = {{"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}}

[components.transformer.model.get_spans]
@span_getters = "dlfa_spacy.wordpiece_spans.v1"
window = {window}
stride = {stride}
"""
    return Config().from_str(
        text + "".join(head_block(n, a, grad_factor) for n, a in heads.items())
    )


def json_list(names: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def head_block(name: str, aggregation: str, grad_factor: float = 1.0) -> str:
    stock = aggregation == STOCK
    package = "spacy-transformers" if stock else "dlfa_spacy"
    block = f"""
[components.{name}]
factory = "tagger"

[components.{name}.model]
@architectures = "spacy.Tagger.v2"

[components.{name}.model.tok2vec]
@architectures = "{package}.TransformerListener.v1"
grad_factor = {grad_factor}

[components.{name}.model.tok2vec.pooling]
@layers = "reduce_mean.v1"
"""
    if not stock:
        block += f"\n[components.{name}.model.tok2vec.aggregation]\n{AGGREGATIONS[aggregation]}\n"
    return block


def make_examples(nlp: Language, texts: Sequence[str]) -> list[Example]:
    """One of three tags for each word, by its length; an empty text makes an empty Doc."""
    examples = []
    for text in texts:
        reference = nlp.make_doc(text)
        for token in reference:
            token.tag_ = f"T{len(token) % 3}"
        examples.append(Example(nlp.make_doc(text), reference))
    return examples


@dataclass
class Head:
    """What one head read and what gradient it sent back, batch after batch."""

    name: str
    grad_factor: float
    module: nn.Module | None
    read: list[list[Tensor]] = field(default_factory=list)
    sent: list[list[Tensor]] = field(default_factory=list)


class Bench:
    """A pipeline, a copy of its torch modules, and the gradients that its heads sent.

    nlp (Language): An initialized pipeline.
    """

    def __init__(self, nlp: Language, grad_factor: float = 1.0):
        self.nlp = nlp
        self.transformer = copy.deepcopy(self.encoder)
        self.heads = {
            name: _record(name, pipe.model, grad_factor)
            for name, pipe in nlp.pipeline
            if name != "transformer"
        }

    @property
    def encoder(self) -> nn.Module:
        return self.nlp.get_pipe("transformer").model.transformer  # type: ignore[attr-defined]

    def update(self, texts: Sequence[str], **settings: Any) -> dict[str, float]:
        settings.setdefault("sgd", False)
        return self.nlp.update(make_examples(self.nlp, texts), **settings)

    def copy_weights(self) -> None:
        """Take over the pipeline's present weights, and forget all gradients."""
        self.transformer.load_state_dict(self.encoder.state_dict())
        self.transformer.zero_grad()
        for name, head in self.heads.items():
            if head.module is not None:
                head.module.load_state_dict(aggregator(self.nlp, name).state_dict())
                head.module.zero_grad()
            head.read.clear()
            head.sent.clear()

    def repeat(self, *batches: Sequence[str]) -> None:
        """Compute the same gradients in plain PyTorch: one loss for each batch, in order."""
        sent = {name: list(head.sent) for name, head in self.heads.items()}
        for texts in batches:
            docs = [self.nlp.make_doc(text) for text in texts]
            if not any(len(doc) for doc in docs):
                continue
            losses = []
            states, lengths, rows = padded_states(self.transformer, self.tokenizer, docs)
            for name, head in self.heads.items():
                if not sent[name]:
                    continue
                gradient = sent[name].pop(0)
                losses.append(self._loss(head, gradient, states, lengths, rows))
            if losses:
                torch.stack(losses).sum().backward()

    @property
    def tokenizer(self) -> Any:
        return self.nlp.get_pipe("transformer").model.tokenizer  # type: ignore[attr-defined]

    def _loss(
        self,
        head: Head,
        gradient: list[Tensor],
        states: Tensor,
        lengths: Tensor,
        rows: list[list[list[int]]],
    ) -> Tensor:
        f = head.grad_factor
        # The factor scales what reaches the encoder, not what the aggregator learns.
        scaled = f * states + (1 - f) * states.detach()
        if head.module is None:
            vectors = scaled[-1]
        else:
            head.module.train()
            vectors = head.module(scaled, lengths)
        tokens = [mean_of_rows(vectors, doc_rows) for doc_rows in rows]
        pairs = zip(tokens, gradient, strict=True)
        return torch.stack([(token * d).sum() for token, d in pairs if len(token)]).sum()

    def errors(self) -> dict[str, float]:
        """RETURNS: Part of the model -> largest relative error of the gradient of a parameter."""
        found = errors_by_layer(self.encoder, self.transformer)
        for name, head in self.heads.items():
            if head.module is not None and any(True for _ in head.module.parameters()):
                worst = errors_by_layer(aggregator(self.nlp, name), head.module)
                found[name] = max(worst.values())
        return found

    def assert_same(self, *batches: Sequence[str], tolerance: float = 1e-4) -> dict[str, float]:
        """The gradients of the pipeline equal those of plain PyTorch."""
        self.repeat(*batches)
        found = self.errors()
        wrong = {part: error for part, error in found.items() if not error < tolerance}
        assert not wrong, f"relative errors {wrong} of {found}"
        return found


def build(
    folder: str,
    heads: dict[str, str],
    factory: str = "dlfa_transformer",
    grad_factor: float = 1.0,
    order: Sequence[str] = (),
    texts: Sequence[str] = (*TEXTS, *MORE_TEXTS),
    randomized: bool = True,
    **settings: Any,
) -> Language:
    """RETURNS (Language): Initialized, with random weights where training would start with zeros.

    order (Sequence[str]): Heads that are added after the others, before the first of them.
    """
    first = {name: kind for name, kind in heads.items() if name not in order}
    cfg = config(folder, first, factory, grad_factor, **settings)
    nlp = load_model_from_config(cfg, auto_fill=True)
    for name in order:
        text = "[components]\n" + head_block(name, heads[name], grad_factor)
        block = Config().from_str(text)["components"][name]
        block.pop("factory")
        nlp.add_pipe("tagger", name=name, config=block, before=next(iter(first)))
    # The same weights whenever the same pipeline is built.
    spacy.util.fix_random_seed(0)
    torch.manual_seed(0)
    nlp.initialize(lambda: make_examples(nlp, [text for text in texts if text]))
    if randomized:
        randomize(nlp)
    return nlp


def randomize(nlp: Language) -> None:
    """No weight of a head or an aggregator is left at its start, where gradients may be zero."""
    generator = torch.Generator().manual_seed(3)
    rng = numpy.random.default_rng(3)
    for name, pipe in nlp.pipeline:
        if name == "transformer":
            continue
        for node in pipe.model.walk():  # type: ignore[attr-defined]
            if node.has_param("W"):
                node.set_param("W", rng.normal(size=node.get_param("W").shape).astype("f"))
        module = aggregator(nlp, name)
        for parameter in module.parameters() if module is not None else ():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += 0.3 * noise


def bench(*args: Any, **settings: Any) -> Bench:
    nlp = build(*args, **settings)
    return Bench(nlp, settings.get("grad_factor", 1.0))


def aggregator(nlp: Language, name: str) -> Any:
    """RETURNS: The torch module with which a component aggregates; None for a stock listener."""
    for node in nlp.get_pipe(name).model.walk():  # type: ignore[attr-defined]
        if isinstance(node, TransformerListener):
            return aggregator_shim(node.aggregation).module
    return None


def _record(name: str, model: Model, grad_factor: float) -> Head:
    tok2vec = model.get_ref("tok2vec")
    listener = tok2vec.layers[0]
    module = None
    if isinstance(listener, TransformerListener):
        module = copy.deepcopy(aggregator_shim(listener.aggregation).module)
    head = Head(name, grad_factor, module)
    original = tok2vec._func

    def forward(model: Model, docs: Sequence[Doc], is_train: bool) -> tuple[Any, Any]:
        vectors, backprop = original(model, docs, is_train)
        if not is_train:
            return vectors, backprop
        head.read.append([torch.tensor(v) for v in vectors])

        def backprop_recorded(d_vectors: Any) -> Any:
            head.sent.append([torch.tensor(d) for d in d_vectors])
            return backprop(d_vectors)

        return vectors, backprop_recorded

    tok2vec._func = forward
    return head


def padded_states(
    transformer: nn.Module, tokenizer: Any, docs: Sequence[Doc]
) -> tuple[Tensor, Tensor, list[list[list[int]]]]:
    """Encode texts the ordinary way, padded, all at once.

    RETURNS: `(S, N, E)`; `(B,)`; for each Doc, for each token, its rows of N.
    """
    full = [doc for doc in docs if len(doc)]
    encoded = tokenizer(
        [doc.text for doc in full],
        padding=True,
        return_tensors="pt",
        return_offsets_mapping=True,
    )
    offsets = encoded.pop("offset_mapping").tolist()
    mask = encoded["attention_mask"].bool()
    output = transformer(
        input_ids=encoded["input_ids"],
        attention_mask=encoded["attention_mask"],
        output_hidden_states=True,
    )
    states = torch.stack([layer[mask] for layer in layers_of(output)])
    lengths = mask.sum(dim=1)
    rows: list[list[list[int]]] = []
    begin, i = 0, 0
    for doc in docs:
        if not len(doc):
            rows.append([])
            continue
        pieces = offsets[i][: int(lengths[i])]
        rows.append(
            [
                [
                    begin + row
                    for row, (start, end) in enumerate(pieces)
                    if start < end and start < token.idx + len(token) and end > token.idx
                ]
                for token in doc
            ]
        )
        begin += int(lengths[i])
        i += 1
    return states, lengths, rows


def mean_of_rows(vectors: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
    """RETURNS: `(n_tokens, E)`; zeros for a token without rows."""
    width = vectors.shape[-1]
    means = [vectors[list(r)].mean(dim=0) if r else torch.zeros(width) for r in rows]
    return torch.stack(means) if means else torch.zeros(0, width)


def errors_by_layer(ours: nn.Module, reference: nn.Module) -> dict[str, float]:
    """Compare the gradients of all parameters of two copies of a module.

    RETURNS: Part (embeddings, a layer) -> the largest error of a parameter's gradient, relative to
        its own norm, or to a hundredth of its part's where it is next to nothing (a bias under
        batch norm, or that of an attention key, has no gradient but rounding).
    """
    expected = {n: _grad(p) for n, p in reference.named_parameters()}
    found = {n: _grad(p) for n, p in ours.named_parameters()}
    assert expected.keys() == found.keys()
    norms: dict[str, float] = {}
    for name, gradient in expected.items():
        norms[part(name)] = max(norms.get(part(name), 0.0), float(gradient.norm()))
    errors: dict[str, float] = {}
    for name, gradient in expected.items():
        floor = max(float(gradient.norm()), 1e-2 * norms[part(name)], 1e-12)
        error = float((found[name] - gradient).norm()) / floor
        errors[part(name)] = max(errors.get(part(name), 0.0), error)
    return errors


def part(parameter: str) -> str:
    """RETURNS: The layer of an encoder that a parameter belongs to."""
    pieces = parameter.split(".")
    numbers = [p for p in pieces if p.isdigit()]
    return f"layer {int(numbers[0]) + 1}" if "layer" in pieces and numbers else pieces[0]


def _grad(parameter: nn.Parameter) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.detach().clone()


def gradient_norms(module: nn.Module) -> dict[str, float]:
    """RETURNS: Part -> norm of the gradients of its parameters."""
    norms: dict[str, float] = {}
    for name, parameter in module.named_parameters():
        norms[part(name)] = norms.get(part(name), 0.0) + float(_grad(parameter).norm())
    return norms


def reload(nlp: Language) -> Language:
    """RETURNS (Language): A copy that went through bytes."""
    other = spacy.util.load_model_from_config(nlp.config, auto_fill=True)
    other.initialize()
    return other.from_bytes(nlp.to_bytes())
