"""Aggregators against finite differences, and encoder batches against one Doc at a time."""

from typing import Any

import numpy
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipelines import (
    AGGREGATIONS,
    Bench,
    aggregator,
    bench,
    build,
    errors_by_layer,
    make_examples,
)
from spacy.language import Language
from thinc.api import Config, registry

from dlfa_spacy.aggregators.model import aggregator_shim
from dlfa_spacy.encoder.run.buckets import buckets
from dlfa_spacy.types import LayerStates

every_aggregation = pytest.mark.parametrize("kind", sorted(AGGREGATIONS))
WIDTH, LAYERS = 6, 4


def make_module(kind: str) -> Any:
    model = registry.resolve(Config().from_str("[model]\n" + AGGREGATIONS[kind]))["model"]
    shim = aggregator_shim(model)
    shim.settings.update({"reduction": 2} if "reduction" in shim.settings else {})
    shim.build(WIDTH, LAYERS)
    module = shim.module.double()
    for parameter in module.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return module


@pytest.mark.parametrize("training", [True, False])
@every_aggregation
def test_finite_differences(kind: str, training: bool) -> None:
    module = make_module(kind).train(training)
    if not training:
        # Statistics that are not those of the batch.
        module.train()
        module(torch.randn(LAYERS + 1, 9, WIDTH, dtype=torch.float64), torch.tensor([4, 5]))
        module.eval()
    lengths = torch.tensor([3, 1, 4, 2])
    states = torch.randn(LAYERS + 1, 10, WIDTH, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in module.named_parameters()]
    parameters = [p.detach().clone().requires_grad_() for p in module.parameters()]

    def run(states: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        weights = dict(zip(names, values, strict=True))
        # Copies, because every call moves the running statistics.
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        return torch.func.functional_call(module, {**weights, **buffers}, (states, lengths))

    assert torch.autograd.gradcheck(run, (states, *parameters))


@every_aggregation
def test_only_the_needed_layers_are_read(kind: str) -> None:
    module = make_module(kind).eval()
    states = torch.randn(LAYERS + 1, 5, WIDTH, dtype=torch.float64)
    needed = LayerStates({x: states[x] for x in module.needs(LAYERS)}, LAYERS)
    lengths = torch.tensor([2, 3])
    torch.testing.assert_close(module(needed, lengths), module(states, lengths))


RAGGED = st.lists(
    st.lists(st.sampled_from(["Anna", "lives", "in", "unable", "x", "Berlin"]), max_size=9),
    min_size=1,
    max_size=6,
)
PIPELINES: dict[tuple[str, str], Bench] = {}


def shared_bench(folder: str, kind: str) -> Bench:
    # One for all of hypothesis' examples: building a pipeline takes longer than an example.
    if (folder, kind) not in PIPELINES:
        made = bench(folder, {"a": kind})
        for module in (aggregator(made.nlp, "a"), made.heads["a"].module):
            soften_batch_norm(module)
        PIPELINES[folder, kind] = made
    return PIPELINES[folder, kind]


def soften_batch_norm(module: torch.nn.Module | None) -> None:
    """Two windows with nearly the same vectors have a variance that is next to nothing, and batch
    norm amplifies rounding by 1 / sqrt(eps). Packed and padded windows round differently."""
    assert module is not None
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.eps = 1.0


def vectors(nlp: Language, texts: list[str]) -> list[numpy.ndarray]:
    docs = [nlp.make_doc(text) for text in texts]
    transformer: Any = nlp.get_pipe("transformer")
    transformer.set_annotations(docs, transformer.predict(docs))
    head: Any = nlp.get_pipe("a")
    return [numpy.array(x) for x in head.model.get_ref("tok2vec").predict(docs)]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=RAGGED)
@pytest.mark.parametrize("kind", ["mix", "attention", "product", "control"])
def test_prediction_does_not_depend_on_the_batch(
    bert: str, kind: str, batch: list[list[str]]
) -> None:
    texts = [" ".join(words) for words in batch]
    nlp = shared_bench(bert, kind).nlp
    together = vectors(nlp, texts)
    for text, found in zip(texts, together, strict=True):
        alone = vectors(nlp, [text])[0]
        assert found.shape[0] == alone.shape[0] == len(nlp.make_doc(text))
        if len(alone):
            numpy.testing.assert_allclose(found, alone, rtol=1e-4, atol=1e-5)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=RAGGED)
@pytest.mark.parametrize("kind", ["mix", "attention", "product", "control"])
def test_training_on_any_batch_equals_plain_pytorch(
    bert: str, kind: str, batch: list[list[str]]
) -> None:
    texts = [" ".join(words) for words in batch]
    b = shared_bench(bert, kind)
    b.encoder.zero_grad()
    for node in b.nlp.get_pipe("a").model.walk():  # type: ignore[attr-defined]
        if node.shims and hasattr(node.shims[0], "module"):
            node.shims[0].module.zero_grad()
    b.copy_weights()
    b.update(texts)
    if any(texts):
        b.assert_same(texts)


@pytest.mark.parametrize("kind", ["attention", "product"])
def test_bucket_budget_changes_nothing(bert: str, kind: str) -> None:
    texts = ["Anna", "Anna lives in Berlin", "", "un", "the Berlin in Anna ed " * 4, "able ed"] * 2
    found = []
    for budget in (None, 1, 20, 64):
        nlp = build(bert, {"a": kind})
        nlp.get_pipe("transformer").cfg["max_batch_items"] = budget  # type: ignore[attr-defined]
        outputs = vectors(nlp, texts)
        nlp.update(make_examples(nlp, texts), sgd=False)
        encoder: Any = nlp.get_pipe("transformer").model.transformer  # type: ignore[attr-defined]
        found.append((outputs, encoder))
    expected, reference = found[0]
    for outputs, encoder in found[1:]:
        for array, expected_array in zip(outputs, expected, strict=True):
            if len(expected_array):
                numpy.testing.assert_allclose(array, expected_array, rtol=1e-4, atol=1e-5)
        assert max(errors_by_layer(encoder, reference).values()) < 1e-4


@given(lengths=st.lists(st.integers(1, 600), min_size=1, max_size=80), budget=st.integers(1, 20000))
def test_every_window_is_in_one_bucket_within_the_budget(lengths: list[int], budget: int) -> None:
    array = numpy.asarray(lengths)
    groups = list(buckets(array, budget))
    assert sorted(numpy.concatenate(groups).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * array[group].max() <= budget
