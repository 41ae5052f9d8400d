"""What stays on a Doc, in bytes; and how many wordpieces are computed for a batch."""

from typing import Any

import numpy
import pytest
from life import component, config, encoder_block, initialized, listener, stock_listener
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import load_model_from_config
from thinc.api import Config

from dlfa_spacy.encoder.run.buckets import buckets

WIDTH, DEPTH = 32, 4
TEXTS = ["Anna lives in Berlin", "the un able Berlin " * 9, "", "Berlin", "\n\n"]


def trf_arrays(doc: Doc) -> dict[str, numpy.ndarray]:
    """RETURNS: Every array that `doc._.trf_data` keeps."""
    data = doc._.trf_data
    arrays = dict(data.model_output.items())
    arrays["align.data"], arrays["align.lengths"] = data.align.dataXd, data.align.lengths
    arrays["input_ids"] = data.wordpieces.input_ids
    return {name: numpy.asarray(array) for name, array in arrays.items()}


def kept_bytes(array: numpy.ndarray) -> int:
    """RETURNS: The memory that an array keeps alive: that of the array it is a view of."""
    while isinstance(array.base, numpy.ndarray):
        array = array.base
    assert array.base is None, f"memory of a {type(array.base)} that somebody else owns"
    return array.nbytes


def float_bytes_per_wordpiece(docs: list[Doc]) -> float:
    """RETURNS: Bytes of float vectors that some Docs keep, for each of their wordpieces."""
    kept = sum(
        kept_bytes(array)
        for doc in docs
        for array in trf_arrays(doc).values()
        if array.dtype.kind == "f"
    )
    return kept / sum(doc._.trf_data.wordpieces.input_ids.size for doc in docs if len(doc))


def build(folder: str, listeners: dict[str, dict[str, Any]], factory: str) -> Language:
    """A pipeline of taggers, each with its own `tok2vec` block."""
    blocks = {name: component("tagger", tok2vec) for name, tok2vec in listeners.items()}
    made = Config(
        {
            "nlp": {"lang": "xx", "pipeline": ["transformer", *blocks], "batch_size": 8},
            "components": {"transformer": encoder_block(folder, factory), **blocks},
        }
    )
    return initialized(load_model_from_config(made, auto_fill=True))


CASES = {
    # What listens -> vectors that a wordpiece keeps.
    "last": ([listener("last")], 1),
    "attention": ([listener("attention")], 1),
    "fusion": ([listener("fusion")], 1),
    "two_attentions": ([listener("attention"), listener("attention")], 2),
    "two_last_layers_share": ([listener("last"), listener("last")], 1),
    "a_stock_listener_shares_the_last_layer": ([listener("last"), stock_listener()], 1),
    "two_equal_means_share": ([listener("mean"), listener("mean")], 1),
    "two_means": ([listener("mean"), listener("low")], 2),
    "one_of_each": ([listener("fusion"), stock_listener(), listener("mix")], 3),
    "nobody": ([], 1),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_wordpiece_keeps_one_vector_for_each_distinct_listener(bert, case):
    listeners, count = CASES[case]
    named = {f"tagger{i}": block for i, block in enumerate(listeners)}
    nlp = build(bert, named, "dlfa_transformer")
    docs = list(nlp.pipe(TEXTS))
    assert float_bytes_per_wordpiece(docs) == count * WIDTH * 4
    for doc in docs:
        assert "hidden_states" not in doc._.trf_data.model_output
        for name, array in trf_arrays(doc).items():
            assert kept_bytes(array) == array.nbytes, name
            if array.dtype.kind == "f":
                assert array.ndim == 3 and array.shape[0] == 1 and array.shape[2] == WIDTH


@pytest.mark.parametrize("aggregation", ["attention", "fusion", "last"])
def test_in_the_stock_factory_the_layers_travel_unpadded(bert, aggregation):
    nlp = build(bert, {"tagger": listener(aggregation)}, "transformer")
    docs = list(nlp.pipe(TEXTS))
    # All layers, and the last one once more under the name that stock code reads.
    assert float_bytes_per_wordpiece(docs) == (DEPTH + 2) * WIDTH * 4
    for doc in docs:
        if not len(doc):
            continue
        rows = doc._.trf_data.wordpieces.input_ids.size
        assert doc._.trf_data.model_output["hidden_states"].shape == (DEPTH + 1, rows, WIDTH)
        assert doc._.trf_data.window_lengths.sum() == rows
        assert all(kept_bytes(a) == a.nbytes for a in trf_arrays(doc).values())


def test_nothing_of_a_batch_is_kept_besides(bert):
    nlp = build(bert, {"tagger": listener("attention")}, "dlfa_transformer")
    docs = list(nlp.pipe(TEXTS))
    assert all(getattr(doc._.trf_data, "batch", None) is None for doc in docs)
    model = nlp.get_pipe("transformer").model
    assert model.cache.is_empty
    node = nlp.get_pipe("tagger").model.get_ref("tok2vec").get_ref("listener")
    assert node._outputs is None and node._backprop is None


@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer"])
def test_after_a_doc_cleaner_nothing_is_left(bert, factory):
    made = config(bert, ["tagger"], "attention", factory)
    made["components"]["doc_cleaner"] = {"factory": "doc_cleaner"}
    made["nlp"]["pipeline"].append("doc_cleaner")
    nlp = initialized(load_model_from_config(made, auto_fill=True))
    docs = list(nlp.pipe(TEXTS))
    assert all(doc._.trf_data is None for doc in docs)
    assert all(doc.tensor is None or doc.tensor.size == 0 for doc in docs)
    assert any(t.tag_ for doc in docs for t in doc)


def padded(nlp: Language, texts: list[str]) -> tuple[int, int]:
    """RETURNS: Wordpieces that the encoder computed, padding included, and how many were real."""
    transformer = nlp.get_pipe("transformer").model.transformer
    computed: list[int] = []
    hook = transformer.register_forward_pre_hook(
        lambda module, args, kwargs: computed.append(kwargs["input_ids"].numel()),
        with_kwargs=True,
    )
    try:
        docs = list(nlp.pipe(texts, batch_size=len(texts)))
    finally:
        hook.remove()
    return sum(computed), sum(d._.trf_data.wordpieces.input_ids.size for d in docs if len(d))


@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer"])
def test_a_long_doc_among_short_ones_costs_little_padding(bert, factory):
    nlp = build(bert, {"tagger": listener("attention")}, factory)
    texts = ["the in"] * 100 + ["the in ed Anna Berlin lives " * 20] + ["Anna"] * 100
    computed, real = padded(nlp, texts)
    assert real <= computed <= 1.1 * real


def test_texts_of_all_lengths_cost_little_padding(bert):
    nlp = build(bert, {"tagger": listener("attention")}, "dlfa_transformer")
    computed, real = padded(nlp, ["the " * (i % 10 + 1) for i in range(128)])
    assert real <= computed <= 1.1 * real


def test_each_window_is_in_one_bucket_of_similar_lengths_within_the_budget():
    rng = numpy.random.default_rng(0)
    for budget in (64, 1024):
        lengths = rng.integers(1, 129, size=300)
        groups = list(buckets(lengths, budget))
        assert sorted(numpy.concatenate(groups).tolist()) == list(range(300))
        for group in groups:
            assert len(group) * lengths[group].max() <= budget or len(group) == 1
    # With the budget of a CPU; with few windows per bucket, padding cannot be had for less.
    computed = sum(len(g) * lengths[g].max() for g in groups)
    assert computed <= 1.05 * lengths.sum()
