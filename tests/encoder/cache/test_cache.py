"""Each text is encoded once: the layers of a frozen encoder are kept, and nothing else changes."""

import copy
import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from life import config, encoded, examples, listener, parameters, stock_listener
from places import UTIL
from spacy.language import Language
from spacy.util import load_model_from_config
from tiny import tiny_bert

from dlfa_spacy.encoder.run.packed import PackedEncoder
from dlfa_spacy.encoder.shim import EncoderShim

WAYS = ["frozen_components", "freeze_layers", "grad_factor"]
LISTENERS = {
    "mix": listener("mix"),
    "attention": listener("attention"),
    "fusion": listener("fusion"),
    "last": listener("last"),
}
TEXTS = ["Anna lives in Berlin", "the un able Berlin " * 5, "", "Berlin"]


def build(
    folder: str, way: str = WAYS[0], aggregation: str = "mix", cache: int | str = "2GB"
) -> Language:
    """A ner and a tagger on an encoder that is frozen in one of three ways."""
    block = dict(LISTENERS[aggregation])
    if way == "grad_factor":
        block["grad_factor"] = 0.0
    settings = config(folder, {"ner": block, "tagger": copy.deepcopy(block)})
    settings["components"]["transformer"]["cache"] = cache
    if way == "freeze_layers":
        freeze = {"@callbacks": "dlfa_spacy.freeze_layers.v1", "layers": [1, 2, 3, 4]}
        settings["initialize"] = {"after_init": freeze}
    nlp = load_model_from_config(settings, auto_fill=True)
    torch.manual_seed(0)
    numpy.random.seed(0)
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 1e-2
    nlp._optimizer = optimizer
    return nlp


def epoch(nlp: Language, way: str = WAYS[0]) -> dict[str, float]:
    """Two updates, of one text each. RETURNS: The losses."""
    losses: dict[str, float] = {}
    frozen = {"exclude": ["transformer"], "annotates": ["transformer"]}
    for example in examples(nlp):
        torch.manual_seed(1)
        nlp.update(
            [example],
            sgd=nlp._optimizer,
            losses=losses,
            **(frozen if way == "frozen_components" else {}),
        )
    return losses


def cache_of(nlp: Language) -> Any:
    return nlp.get_pipe("transformer").model.cache  # type: ignore[attr-defined]


@pytest.mark.parametrize("aggregation", sorted(LISTENERS))
@pytest.mark.parametrize("way", WAYS)
def test_losses_are_those_without_a_cache(bert: str, way: str, aggregation: str) -> None:
    found = []
    for cache in (0, "2GB"):
        nlp = build(bert, way, aggregation, cache)
        before = parameters(nlp)
        found.append([epoch(nlp, way) for _ in range(3)])
        assert all(numpy.array_equal(before[k], v) for k, v in parameters(nlp).items())
    for without, with_cache in zip(*found, strict=True):
        assert without.keys() == with_cache.keys()
        for name in ("ner", "tagger"):
            assert with_cache[name] == pytest.approx(without[name], rel=2e-2, abs=1e-3)
    assert found[1][2]["tagger"] < found[1][0]["tagger"]


@pytest.mark.parametrize("aggregation", ["mix", "last"])
@pytest.mark.parametrize("way", WAYS)
def test_epochs_after_the_first_do_not_run_the_encoder(
    bert: str, way: str, aggregation: str
) -> None:
    nlp = build(bert, way, aggregation)
    epoch(nlp, way)
    if way == "frozen_components" and aggregation == "last":
        # The first batch was annotated before anybody trained.
        epoch(nlp, way)
    with encoded() as runs:
        epoch(nlp, way)
        epoch(nlp, way)
        assert not runs
        # What scores the development texts: each is encoded once as well.
        nlp.evaluate(examples(nlp))
        list(nlp.pipe(TEXTS))
        scored = len(runs)
        epoch(nlp, way)
        list(nlp.pipe(TEXTS))
        assert len(runs) == scored == 2


def test_the_encoder_runs_without_dropout_while_it_is_frozen(bert: str) -> None:
    for way in WAYS:
        nlp = build(bert, way, "last", cache=0)
        nlp.get_pipe("transformer").model.transformer.train()  # type: ignore[attr-defined]
        modes = []
        transformer = nlp.get_pipe("transformer").model.transformer  # type: ignore[attr-defined]
        transformer.register_forward_hook(
            lambda module, args, output, modes=modes: modes.append(
                (module.training, output[0].requires_grad)
            )
        )
        epoch(nlp, way)
        assert modes and set(modes) == {(False, False)}


def test_first_epoch_equals_the_later_ones(bert: str) -> None:
    """Also what was computed just now is rounded."""
    nlp = build(bert)
    model: Any = nlp.get_pipe("transformer").model
    docs = [nlp.make_doc(text) for text in TEXTS]
    first = model.encode_frozen(docs, [1, 4]).states
    with encoded() as runs:
        second = model.encode_frozen(docs, [1, 4]).states
    assert not runs
    exact = model.encode(docs, [1, 4]).states
    for layer in (1, 4):
        assert torch.equal(first[layer], second[layer])
        assert first[layer].dtype == torch.float32
        torch.testing.assert_close(first[layer], exact[layer], rtol=1e-3, atol=1e-3)
        assert not torch.equal(first[layer], exact[layer])


def test_a_text_is_encoded_again_for_another_layer_alone(bert: str) -> None:
    model: Any = build(bert).get_pipe("transformer").model
    nlp = build(bert)
    docs = [nlp.make_doc(text) for text in TEXTS]
    model.encode_frozen(docs[:2], [1])
    with encoded() as runs:
        states = model.encode_frozen(docs, [1, 3]).states
        assert len(runs) == 1
        again = model.encode_frozen(docs, [3]).states
        model.encode_frozen([docs[1], docs[1]], [1, 3])
        assert len(runs) == 1
    torch.testing.assert_close(states[3], again[3], rtol=0, atol=0)


def test_a_batch_with_a_text_twice_encodes_it_once(bert: str) -> None:
    nlp = build(bert)
    model: Any = nlp.get_pipe("transformer").model
    docs = [nlp.make_doc("Anna lives"), nlp.make_doc("Berlin"), nlp.make_doc("Anna lives")]
    with encoded() as runs:
        batch = model.encode_frozen(docs, [4])
    alone = model.encode([docs[0]], [4]).states[4]
    rows = len(alone)
    assert runs == [len(batch.windows.ids) - rows]
    torch.testing.assert_close(batch.states[4][:rows], alone, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(batch.states[4][-rows:], alone, rtol=1e-3, atol=1e-3)


def test_prediction_alone_keeps_nothing_unless_in_a_folder(bert: str, tmp_path: Path) -> None:
    trained = build(bert)
    epoch(trained)
    trained.to_disk(tmp_path / "pipeline")
    for cache, kept in (("2GB", False), (str(tmp_path / "layers"), True)):
        override = {"components": {"transformer": {"cache": cache}}}
        nlp = load_from(tmp_path / "pipeline", override)
        expected = [[t.tag_ for t in doc] for doc in trained.pipe(TEXTS)]
        with encoded() as runs:
            for _ in range(2):
                assert [[t.tag_ for t in doc] for doc in nlp.pipe(TEXTS)] == expected
            assert len(runs) == (2 if kept else 4)
        assert cache_of(nlp).is_empty is not kept
    assert (tmp_path / "layers").is_dir()


def load_from(folder: Path, override: dict[str, Any]) -> Language:
    import spacy

    return spacy.load(folder, config=override)


def test_what_is_only_predicted_after_training_is_bounded(bert: str) -> None:
    nlp = build(bert, cache=20_000)
    epoch(nlp)
    cache = cache_of(nlp)
    texts = [f"Anna lives in Berlin {i}" for i in range(200)]
    list(nlp.pipe(texts))
    store = cache._store
    kept = store.used + (store._file._written * 64 if store._file is not None else 0)
    assert kept < 20_000 + 20_000 + 20_000
    epoch(nlp)
    with encoded() as runs:
        epoch(nlp)
    assert not runs


def test_prediction_after_training_computes_and_keeps_what_its_listeners_read(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nlp = build(bert, aggregation="fusion")
    epoch(nlp)
    nlp.to_disk(tmp_path)
    fresh = load_from(tmp_path, {})
    wanted = nlp.get_pipe("tagger").model.get_ref("tok2vec").get_ref("listener").needs(4)  # type: ignore[attr-defined]
    assert len(wanted) == 2
    asked: list[list[int]] = []
    forward = PackedEncoder.forward

    def asking(self: PackedEncoder, windows: Any, layers: list[int], *args: Any, **kw: Any) -> Any:
        asked.append(layers)
        return forward(self, windows, layers, *args, **kw)

    monkeypatch.setattr(PackedEncoder, "forward", asking)
    for texts in (["in Berlin"], ["Anna the un", "able"], ["lives 1 2", ""]):
        found, expected = list(nlp.pipe(texts)), list(fresh.pipe(texts))
        assert [[t.tag_ for t in doc] for doc in found] == [[t.tag_ for t in d] for d in expected]
    assert asked == [wanted] * 6
    # The batch right after the last one that was trained on is the exception: it may be the next.
    keys = [list(doc._.trf_data.model_output) for doc in expected]
    assert [list(doc._.trf_data.model_output) for doc in found] == keys
    assert len(keys[0]) == 2 and "hidden_states" not in keys[0]


def test_training_the_encoder_ends_the_cache(bert: str) -> None:
    nlp = build(bert)
    epoch(nlp)
    assert not cache_of(nlp).is_empty
    nlp.update(examples(nlp), sgd=nlp._optimizer)
    assert cache_of(nlp).is_empty
    with encoded() as runs:
        list(nlp.pipe(TEXTS))
        list(nlp.pipe(TEXTS))
    assert len(runs) == 4
    assert cache_of(nlp).is_empty


def change_weight(nlp: Language) -> None:
    model: Any = nlp.get_pipe("transformer").model
    with torch.no_grad():
        model.transformer.encoder.layer[0].output.dense.bias += 1.0


def change_window(nlp: Language) -> None:
    getter = nlp.get_pipe("transformer").model.attrs["get_spans"]  # type: ignore[attr-defined]
    getter.window, getter.stride = 3, 2


@pytest.mark.parametrize("change", [change_weight, change_window])
def test_another_encoder_or_window_is_never_served(
    bert: str, tmp_path: Path, change: Callable[[Language], None]
) -> None:
    for cache in ("2GB", str(tmp_path)):
        nlp = build(bert, cache=cache)
        model: Any = nlp.get_pipe("transformer").model
        docs = [nlp.make_doc(text) for text in TEXTS]
        model.encode_frozen(docs, [4])
        change(nlp)
        expected = model.encode(docs, [4]).states[4]
        found = model.encode_frozen(docs, [4]).states[4]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-3)


def test_another_text_is_never_served(bert: str) -> None:
    nlp = build(bert)
    model: Any = nlp.get_pipe("transformer").model
    texts = ["Anna lives", "Anna  lives", "Annalives", "lives Anna", "Anna live", "Anna\nlives"]
    docs = [nlp.make_doc(text) for text in texts]
    # Read as three windows, or as one: the same wordpieces.
    for doc in docs:
        expected = model.encode([doc], [4]).states[4]
        found = model.encode_frozen([doc], [4]).states[4]
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-3)


def test_values_that_half_precision_cannot_hold_are_exact_and_not_kept(tmp_path: Path) -> None:
    nlp = build(tiny_bert(tmp_path))
    model: Any = nlp.get_pipe("transformer").model
    with torch.no_grad():
        model.transformer.encoder.layer[-1].output.LayerNorm.weight[:] = 1e6
    docs = [nlp.make_doc(text) for text in TEXTS]
    exact = model.encode(docs, [1, 4]).states
    with encoded() as runs:
        for _ in range(2):
            found = model.encode_frozen(docs, [1, 4]).states
            torch.testing.assert_close(found[4], exact[4], rtol=1e-4, atol=1.0)
            torch.testing.assert_close(found[1], exact[1], rtol=1e-3, atol=1e-3)
    assert len(runs) == 2


def test_a_cache_is_never_pickled_or_saved(bert: str) -> None:
    nlp = build(bert)
    epoch(nlp)
    transformer: Any = nlp.get_pipe("transformer")
    for other in (
        pickle.loads(pickle.dumps(transformer.model)),
        copy.deepcopy(transformer.model),
        pickle.loads(pickle.dumps(transformer)).model,
    ):
        assert other.cache.is_empty and other.cache.where == 2 * 10**9
    size = len(nlp.to_bytes())
    epoch(nlp)
    list(nlp.pipe(TEXTS))
    assert abs(len(nlp.to_bytes()) - size) < 1000
    assert all("hidden_states" not in doc._.trf_data.model_output for doc in nlp.pipe(TEXTS))


@pytest.mark.parametrize("cache", ["2GB", "folder"])
def test_several_processes_predict_with_a_pipeline_that_has_a_cache(
    bert: str, tmp_path: Path, cache: str
) -> None:
    nlp = build(bert, cache=str(tmp_path) if cache == "folder" else cache)
    epoch(nlp)
    texts = TEXTS * 5
    expected = [[t.tag_ for t in doc] for doc in nlp.pipe(texts)]
    found = [[t.tag_ for t in doc] for doc in nlp.pipe(texts, n_process=2, batch_size=4)]
    assert found == expected


SHARED = """
import json, sys
sys.path[:0] = {tests!r}
from life import encoded
from test_cache import build, epoch
nlp = build({bert!r}, cache={cache!r})
with encoded() as runs:
    losses = [epoch(nlp) for _ in range(2)]
print(json.dumps([sum(runs), losses], default=float))
"""


@pytest.mark.slow
def test_processes_share_a_folder(bert: str, tmp_path: Path) -> None:
    nlp = build(bert, cache=str(tmp_path))
    with encoded() as runs:
        losses = [epoch(nlp) for _ in range(2)]
        first = sum(runs)
    program = SHARED.format(
        tests=[str(Path(__file__).parent), str(UTIL)], bert=bert, cache=str(tmp_path)
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    second, other_losses = json.loads(done.stdout.decode().splitlines()[-1])
    assert first > 0 and second == 0
    for before, after in zip(losses, other_losses, strict=True):
        assert before["tagger"] == pytest.approx(after["tagger"], rel=1e-4)
    # Four trainings of a project read different layers of the same encoder.
    (folder,) = tmp_path.iterdir()
    nlp = build(bert, aggregation="last", cache=str(tmp_path))
    with encoded() as runs:
        epoch(nlp)
    assert not runs
    assert {path.suffix for path in folder.iterdir()} == {".f16", ".idx"}


def test_a_stock_listener_on_a_frozen_encoder_is_served_too(bert: str) -> None:
    settings = config(bert, {"ner": listener("mix"), "tagger": stock_listener()})
    settings["components"]["transformer"]["cache"] = "2GB"
    freeze = {"@callbacks": "dlfa_spacy.freeze_layers.v1", "layers": [1, 2, 3, 4]}
    settings["initialize"] = {"after_init": freeze}
    nlp = load_model_from_config(settings, auto_fill=True)
    nlp._optimizer = nlp.initialize(lambda: examples(nlp))
    first = epoch(nlp, "freeze_layers")
    with encoded() as runs:
        later = [epoch(nlp, "freeze_layers") for _ in range(3)][-1]
    assert not runs
    assert later["tagger"] < first["tagger"]


def shim_of(nlp: Language) -> EncoderShim:
    return nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]


def test_fingerprint_is_that_of_the_weights(bert: str, tmp_path: Path) -> None:
    nlp, other = build(bert), build(bert)
    shim = shim_of(nlp)
    name = shim.fingerprint()
    assert name == shim.fingerprint() == shim_of(other).fingerprint()
    assert name == pickle.loads(pickle.dumps(shim)).fingerprint()
    assert name == shim_of(load_back(nlp, tmp_path)).fingerprint()
    change_weight(nlp)
    assert shim.fingerprint() != name
    shim_of(other).storage = "float16"
    half = shim_of(other).fingerprint()
    assert half not in (name, shim.fingerprint())
    assert shim_of(load_back(other, tmp_path)).fingerprint() == half


def load_back(nlp: Language, folder: Path) -> Language:
    nlp.to_disk(folder)
    return load_from(folder, {})


def test_fingerprint_changes_with_a_step_and_not_without(bert: str) -> None:
    nlp = build(bert)
    name = shim_of(nlp).fingerprint()
    epoch(nlp)
    assert shim_of(nlp).fingerprint() == name
    nlp.update(examples(nlp), sgd=nlp._optimizer)
    assert shim_of(nlp).fingerprint() != name


def test_fingerprint_of_every_encoder_survives_saving(any_encoder: str, tmp_path: Path) -> None:
    nlp = build(any_encoder)
    name = shim_of(nlp).fingerprint()
    assert shim_of(load_back(nlp, tmp_path)).fingerprint() == name
    shim_of(nlp)._hfmodel.transformer.config.num_attention_heads = 2
    shim_of(nlp)._fingerprint = None
    assert shim_of(nlp).fingerprint() != name


def test_bad_setting_is_an_error_when_the_component_is_made(bert: str) -> None:
    with pytest.raises(ValueError, match=r"(?s)components\.transformer\] cache = '2TB'.*Fix"):
        build(bert, cache="2TB")
