"""Pipelines and Docs as bytes, files, pickles, packages; damaged files are refused."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import optimized
import pytest
import spacy
import srsly
import torch
from fourbit import packed_folder
from life import (
    AGGREGATIONS,
    FACTORIES,
    TEXTS,
    annotations,
    assert_same,
    config,
    encoded,
    examples,
    initialized,
    listener,
    pipeline,
    reloaded,
    stock_encoder_block,
    stock_listener,
    train,
    trained,
)
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.util import load_model_from_config
from tiny import tiny_bert
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.encoder.model import TransformerModel


def encoder(nlp: Language) -> TransformerModel:
    return nlp.get_pipe("transformer").model  # type: ignore[attr-defined, no-any-return]


@pytest.fixture(scope="module", params=FACTORIES)
def nlp(request: pytest.FixtureRequest, bert: str) -> Language:
    blocks = {"tagger": listener("attention"), "ner": listener("fusion"), "senter": listener("mix")}
    blocks["textcat"] = stock_listener()
    return trained(bert, blocks, factory=request.param)


# Pipelines


def test_bytes(nlp: Language, bert: str) -> None:
    other = load_model_from_config(nlp.config)
    other.from_bytes(nlp.to_bytes())
    assert_same(nlp, other)


def test_bytes_into_a_pipeline_that_is_trained_already(nlp: Language, bert: str) -> None:
    other = initialized(load_model_from_config(nlp.config), 1)
    other.from_bytes(nlp.to_bytes())
    assert_same(nlp, other)


def test_saving_twice_gives_the_same_bytes(nlp: Language) -> None:
    for name in nlp.pipe_names:
        model = nlp.get_pipe(name).model  # type: ignore[attr-defined]
        assert model.to_bytes() == model.to_bytes()


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_saved_before_initialize(bert: str, tmp_path: Path, aggregation: str, factory: str) -> None:
    nlp = pipeline(bert, ["tagger"], aggregation, factory)
    loaded = reloaded(nlp, tmp_path / "disk")
    initialized(loaded, 2)
    assert_same(loaded, reloaded(loaded, tmp_path / "again"))
    other = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    initialized(other, 1)


def test_loaded_pipeline_needs_no_encoder_folder(bert: str, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(bert, folder)
    nlp = trained(str(folder), ["tagger", "textcat"])
    nlp.to_disk(tmp_path / "model")
    shutil.rmtree(folder)
    loaded = spacy.load(tmp_path / "model")
    assert_same(nlp, loaded)
    train(loaded, 1)


def test_another_encoder_in_the_folder_changes_nothing(bert: str, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(bert, folder)
    nlp = trained(str(folder), {"tagger": listener("attention"), "textcat": stock_listener()})
    nlp.to_disk(tmp_path / "model")
    shutil.rmtree(folder)
    folder.mkdir()
    assert_same(nlp, spacy.load(tmp_path / "model"))
    tiny_bert(folder, num_hidden_layers=6, hidden_size=48)
    assert_same(nlp, spacy.load(tmp_path / "model"))


def test_relative_encoder_folder_stays_relative(
    bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(bert, tmp_path / "encoders" / "tiny")
    monkeypatch.chdir(tmp_path)
    nlp = trained("encoders/tiny", ["tagger"])
    nlp.to_disk("model")
    found = [
        path
        for path in Path("model").rglob("*")
        if path.is_file() and str(tmp_path).encode() in path.read_bytes()
    ]
    assert found == []
    monkeypatch.chdir(tmp_path / "model")
    assert_same(nlp, spacy.load("."))


def test_pickled_pipeline(nlp: Language) -> None:
    other = pickle.loads(pickle.dumps(nlp))
    assert_same(nlp, other)
    train(other, 1)


def test_copied_pipeline(bert: str) -> None:
    nlp = trained(bert, ["tagger", "textcat"])
    assert_same(nlp, copy.deepcopy(nlp))


def test_settings_of_the_encoder_survive_to_the_last_digit(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger"])
    loaded = encoder(reloaded(nlp, tmp_path)).transformer.config
    expected = encoder(nlp).transformer.config.to_dict()
    assert loaded.layer_norm_eps == 1e-12
    assert {**loaded.to_dict(), "_name_or_path": expected["_name_or_path"]} == expected


# Docs


def same_arrays(data: Any, other: Any) -> None:
    assert list(data.model_output) == list(other.model_output)
    for name in data.model_output:
        numpy.testing.assert_array_equal(data.model_output[name], other.model_output[name])
    numpy.testing.assert_array_equal(data.align.dataXd, other.align.dataXd)
    numpy.testing.assert_array_equal(data.align.lengths, other.align.lengths)
    strings, other_strings = data.wordpieces.strings, other.wordpieces.strings
    assert [list(row) for row in strings] == [list(row) for row in other_strings]
    numpy.testing.assert_array_equal(data.wordpieces.input_ids, other.wordpieces.input_ids)


def by_bytes(doc: Doc) -> Doc:
    return Doc(doc.vocab).from_bytes(doc.to_bytes())


def by_docbin(doc: Doc) -> Doc:
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    return next(iter(DocBin(store_user_data=True).from_bytes(data).get_docs(doc.vocab)))


def by_pickle(doc: Doc) -> Doc:
    return pickle.loads(pickle.dumps(doc))  # type: ignore[no-any-return]


WAYS: dict[str, Callable[[Doc], Doc]] = {
    "bytes": by_bytes,
    "docbin": by_docbin,
    "pickle": by_pickle,
    "copy": lambda doc: doc.copy(),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", [TEXTS[0], "", "  "])
def test_doc_keeps_its_vectors(nlp: Language, way: str, text: str) -> None:
    doc = nlp(text)
    other = WAYS[way](doc)
    same_arrays(doc._.trf_data, other._.trf_data)
    assert annotations([doc]) == annotations([other])


@pytest.mark.parametrize("way", WAYS)
def test_components_run_on_restored_docs(nlp: Language, way: str) -> None:
    docs = [WAYS[way](doc) for doc in nlp.pipe(TEXTS)]
    expected = annotations(docs)
    for name in ("tagger", "ner", "textcat"):
        docs = [nlp.get_pipe(name)(doc) for doc in docs]
    assert annotations(docs) == expected


# Processes

SPAWNED = """
import multiprocessing, sys
import spacy

if __name__ == "__main__":
    # What reaches a process is pickled by either way of starting it; importing all this anew takes
    # longest, and one model does.
    multiprocessing.set_start_method("spawn")
    cheaper = {"forkserver"} & set(multiprocessing.get_all_start_methods())
    multiprocessing.set_forkserver_preload(["spacy_transformers", "dlfa_spacy.encoder.model"])
    texts = sys.argv[1].split("|") * 3
    def read(docs):
        return [([t.tag_ for t in d], [round(v, 4) for v in d.cats.values()],
                 [(e.start, e.end, e.label_) for e in d.ents]) for d in docs]
    for model in sys.argv[2:]:
        nlp = spacy.load(model)
        one = read(nlp.pipe(texts, batch_size=2))
        two = read(nlp.pipe(texts, batch_size=2, n_process=2))
        assert one == two, (model, one, two)
        print(len(two))
        multiprocessing.set_start_method("forkserver" if cheaper else "spawn", force=True)
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        [sys.executable, *arguments[:0], "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_processes_under_spawn(bert: str, tmp_path: Path) -> None:
    models = []
    for kind in (*FACTORIES, "int4", "int8"):
        folder = packed_folder(tmp_path / "packed") if kind == "int4" else bert
        factory = kind if kind in FACTORIES else "dlfa_transformer"
        nlp = trained(folder, ["tagger", "ner", "textcat"], "attention", factory)
        models.append(tmp_path / kind)
        if kind == "int8":
            (tmp_path / "plain").mkdir()
            optimized.run(nlp, tmp_path / "plain", int8=True)
            models[-1] = tmp_path / "plain" / "out"
        else:
            nlp.to_disk(models[-1])
    script = tmp_path / "spawned.py"
    script.write_text(SPAWNED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), "|".join([*TEXTS, ""]), *map(str, models)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["15"] * len(models)


@pytest.mark.slow
def test_loading_in_a_fresh_process_with_the_network_off(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger"])
    nlp.to_disk(tmp_path)
    code = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("the network was used")
socket.socket.connect = refuse
import spacy
assert "dlfa_spacy" not in sys.modules
print(" ".join(t.tag_ for t in spacy.load(sys.argv[1])(sys.argv[2])))
# Its code compiles some of itself as it is imported, which takes as long as all of spaCy.
assert "transformers.models.modernbert.modeling_modernbert" not in sys.modules
# Without its encoder the tagger must refuse, not fail on a missing extension.
try:
    spacy.load(sys.argv[1], exclude=["transformer"])("Anna")
except ValueError as error:
    print(error)
"""
    tags, error = run(code, str(tmp_path), TEXTS[0]).strip().splitlines()
    assert tags.split() == [token.tag_ for token in nlp(TEXTS[0])]
    assert "Fix:" in error


@pytest.mark.slow
def test_wheel_in_a_clean_folder(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger", "ner"])
    nlp.to_disk(tmp_path / "model")
    (tmp_path / "scores.md").write_text("# Scores of x\n\n| de | 61.5 |\n", encoding="utf-8")
    options = ["--name", "tiny", "--version", "1.2.3", "--license", "CC0"]
    arguments = ["package", str(tmp_path / "model"), str(tmp_path / "packages"), *options]
    done = CliRunner().invoke(app, [*arguments, "--scores", str(tmp_path)])
    assert done.exit_code == 0, done.output
    source = tmp_path / "packages" / "xx_tiny-1.2.3"
    assert srsly.read_json(source / "meta.json")["license"] == "CC0"
    requirements = srsly.read_json(source / "meta.json")["requirements"]
    assert "spacy-transformers>=1.4,<2.1" in requirements
    card = (source / "README.md").read_text(encoding="utf-8")
    assert 'spacy.load("xx_tiny")' in card and "| de | 61.5 |" in card
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    offline = ["--no-deps", "--no-index"]
    site = str(tmp_path / "site")
    (wheel,) = (source / "dist").glob("xx_tiny-1.2.3*.whl")
    subprocess.run([*pip, "install", *offline, "--target", site, str(wheel)], check=True)
    code = """
import spacy, sys
nlp = spacy.load("xx_tiny")
print(" ".join(t.tag_ for t in nlp(sys.argv[1])))
"""
    assert run(code, TEXTS[0], PYTHONPATH=site).split() == [t.tag_ for t in nlp(TEXTS[0])]


# Damaged files


def damage(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Rewrite the encoder inside the bytes of a thinc model."""
    message = srsly.msgpack_loads(path.read_bytes())
    for i, shims in enumerate(message["shims"]):
        for j, shim in enumerate(shims):
            encoded = srsly.msgpack_loads(shim)
            if isinstance(encoded, dict) and "encoder" in encoded:
                change(encoded)
                message["shims"][i][j] = srsly.msgpack_dumps(encoded)
                path.write_bytes(srsly.msgpack_dumps(message))
                return
    raise AssertionError("no encoder found")


def weights(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[dict[str, Any]], None]:
    def apply(encoded: dict[str, Any]) -> None:
        tensors = load_tensors(encoded["encoder"]["weights"])
        change(tensors)
        encoded["encoder"]["weights"] = save_tensors(tensors)

    return apply


WEIGHT = "encoder.layer.2.output.dense.weight"


def remove(tensors: dict[str, torch.Tensor]) -> None:
    del tensors[WEIGHT]


def add(tensors: dict[str, torch.Tensor]) -> None:
    tensors["encoder.layer.9.output.dense.weight"] = tensors[WEIGHT].clone()


def reshape(tensors: dict[str, torch.Tensor]) -> None:
    tensors[WEIGHT] = tensors[WEIGHT][:-1].clone()


def cut_weights(encoded: dict[str, Any]) -> None:
    encoded["encoder"]["weights"] = encoded["encoder"]["weights"][:-100]


def flip_weights(encoded: dict[str, Any]) -> None:
    encoded["encoder"]["weights"] = b"\x00" * 50 + encoded["encoder"]["weights"][50:]


def shallower(encoded: dict[str, Any]) -> None:
    encoded["encoder"]["config"]["num_hidden_layers"] = 3


def no_tokenizer(encoded: dict[str, Any]) -> None:
    encoded["encoder"]["tokenizer"] = {}


def old_format(encoded: dict[str, Any]) -> None:
    encoded["format"] = 99


DAMAGES = {
    "missing": (weights(remove), WEIGHT),
    "surplus": (weights(add), "encoder.layer.9"),
    "misshapen": (weights(reshape), WEIGHT),
    "cut weights": (cut_weights, "damaged"),
    "overwritten header": (flip_weights, "damaged"),
    "other depth": (shallower, "encoder.layer.3"),
    "no tokenizer": (no_tokenizer, "tokenizer"),
    "unknown format": (old_format, "99"),
}


@pytest.fixture(scope="module", params=FACTORIES)
def saved(request: pytest.FixtureRequest, bert: str, tmp_path_factory: Any) -> Path:
    folder: Path = tmp_path_factory.mktemp("saved") / "model"
    trained(bert, ["tagger"], factory=request.param).to_disk(folder)
    return folder


def copied(saved: Path, tmp_path: Path) -> Path:
    shutil.copytree(saved, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_encoder_is_refused(saved: Path, tmp_path: Path, kind: str) -> None:
    folder = copied(saved, tmp_path)
    change, named = DAMAGES[kind]
    damage(folder / "transformer" / "model", change)
    with pytest.raises(ValueError) as caught:
        spacy.load(folder)
    assert named in str(caught.value)
    assert "Fix:" in str(caught.value)


@pytest.mark.parametrize("keep", [0, 10, 1000, 0.5, 0.999])
def test_cut_file_is_refused(saved: Path, tmp_path: Path, keep: float) -> None:
    path = copied(saved, tmp_path) / "transformer" / "model"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep if keep >= 1 else keep * len(content))])
    with pytest.raises(ValueError) as caught:
        spacy.load(tmp_path / "copy")
    assert "Fix:" in str(caught.value)


def test_overwritten_file_is_refused(saved: Path, tmp_path: Path) -> None:
    path = copied(saved, tmp_path) / "transformer" / "model"
    path.write_bytes(os.urandom(5000))
    with pytest.raises(ValueError, match="Fix:"):
        spacy.load(tmp_path / "copy")


def test_bytes_of_a_stock_encoder_are_refused(saved: Path, bert: str, tmp_path: Path) -> None:
    settings = config(bert, {"tagger": stock_listener()})
    settings["components"]["transformer"] = stock_encoder_block(bert)
    stock = initialized(load_model_from_config(settings, auto_fill=True))
    stock.to_disk(tmp_path / "stock")
    path = copied(saved, tmp_path) / "transformer" / "model"
    path.write_bytes((tmp_path / "stock" / "transformer" / "model").read_bytes())
    with pytest.raises(ValueError, match="Fix:"):
        spacy.load(tmp_path / "copy")


def test_failed_load_changes_nothing(saved: Path, bert: str, tmp_path: Path) -> None:
    nlp = spacy.load(saved)
    before = list(nlp.pipe(TEXTS))
    folder = copied(saved, tmp_path)
    damage(folder / "transformer" / "model", weights(remove))
    with pytest.raises(ValueError, match="Fix:"):
        encoder(nlp).from_bytes((folder / "transformer" / "model").read_bytes())
    assert annotations(before) == annotations(nlp.pipe(TEXTS))


def test_encoder_of_another_size_is_refused_by_the_aggregation(
    bert: str, saved: Path, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    deep = tiny_bert(tmp_path / "deep", num_hidden_layers=6)
    trained(deep, ["tagger"]).to_disk(tmp_path / "deep_model")
    folder = copied(saved, tmp_path)
    other = tmp_path / "deep_model" / "transformer" / "model"
    (folder / "transformer" / "model").write_bytes(other.read_bytes())
    with pytest.raises(ValueError) as caught:
        spacy.load(folder)
    for word in ("aggregation", "4", "6", "Fix:"):
        assert word in str(caught.value)


def test_changed_setting_of_an_aggregation_is_refused(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, tmp_path)
    path = folder / "config.cfg"
    text = path.read_text(encoding="utf-8")
    assert "key_width = 64" in text
    path.write_text(text.replace("key_width = 64", "key_width = 32"), encoding="utf-8")
    with pytest.raises(ValueError) as caught:
        spacy.load(folder)
    for word in ("aggregation", "32", "64", "Fix:"):
        assert word in str(caught.value)


def test_stored_doc_hands_no_listener_the_vectors_of_another(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, {"tagger": listener("attention"), "textcat": listener("attention")})
    expected = dict(nlp(TEXTS[0]).cats)
    nlp.to_disk(tmp_path)
    with nlp.select_pipes(enable=["transformer"]):
        stored = DocBin(docs=[nlp(TEXTS[0])], store_user_data=True).to_bytes()
    other = spacy.load(tmp_path, exclude=["tagger"])
    (doc,) = DocBin().from_bytes(stored).get_docs(other.vocab)
    other.get_pipe("textcat")(doc)  # type: ignore[operator]
    assert doc.cats == pytest.approx(expected, abs=1e-6)


def test_every_listener_has_a_slot_of_its_own_that_is_saved_with_it(
    bert: str, tmp_path: Path
) -> None:
    nlp = initialized(pipeline(bert, {"tagger": listener("mix"), "senter": listener("mix")}))
    # Scalar mixes begin with equal weights: equal vectors share a slot.
    assert len(set(slots(nlp))) == 1
    train(nlp, 3)
    assert len(set(slots(nlp))) == 2
    loaded = reloaded(nlp, tmp_path)
    assert slots(loaded) == slots(nlp) and len(set(slots(nlp))) == 2
    loaded.to_bytes()
    assert slots(loaded) == slots(nlp)


def test_component_sourced_twice_gets_a_second_slot_once_they_differ(bert: str) -> None:
    nlp = trained(bert, {"tagger": listener("attention")})
    copied = load_model_from_config(nlp.config).from_bytes(nlp.to_bytes())
    nlp.add_pipe("tagger", source=copied, name="tagger2")
    nlp._link_components()
    list(nlp.pipe(TEXTS))
    assert len(set(slots(nlp))) == 1
    train(nlp, 1, exclude=["transformer", "tagger2"], annotates=["transformer"])
    list(nlp.pipe(TEXTS))
    assert len(set(slots(nlp))) == 2


def test_two_listeners_of_a_file_with_one_slot_are_told_apart(bert: str) -> None:
    nlp = trained(bert, {"tagger": listener("attention"), "ner": listener("attention")})
    expected = annotations(nlp.pipe(TEXTS))
    one, other = (node.shim for node in nlp.get_pipe("transformer").listeners)  # type: ignore[attr-defined]
    other._slot = one._slot
    assert annotations(nlp.pipe(TEXTS)) == expected
    assert len(set(slots(nlp))) == 2


# What stays as it was, of encoder and aggregation.
STAYS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "encoder": {"exclude": ["transformer"], "annotates": ["transformer"]},
    "aggregation": {},
    "no weights": {},
}


def trained_on(folder: str, factory: str, stays: str, part: int) -> Language:
    block = listener("mean" if stays == "no weights" else "attention")
    if stays == "aggregation":
        block["aggregation"]["lr_scale"] = 0.0
    torch.manual_seed(0)
    numpy.random.seed(0)
    nlp = initialized(pipeline(folder, {"tagger": block, "textcat": block}, factory=factory))
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 1e-2
    for _ in range(3):
        torch.manual_seed(0)
        nlp.update(examples(nlp)[part : part + 1], sgd=optimizer, **STAYS[stays])
    return nlp


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("stays", sorted(STAYS))
@pytest.mark.parametrize("saved", [False, True])
def test_docs_of_one_training_are_read_anew_by_another_of_the_same_seed(
    bert: str, tmp_path: Path, stays: str, factory: str, saved: bool
) -> None:
    one, other = (trained_on(bert, factory, stays, part) for part in (0, 1))
    if saved:
        (tmp_path / "one").mkdir()
        (tmp_path / "other").mkdir()
        one, other = reloaded(one, tmp_path / "one"), reloaded(other, tmp_path / "other")
    if stays != "no weights":
        assert not set(slots(one)) & set(slots(other))
    expected = [dict(doc.cats) for doc in other.pipe(TEXTS)]
    with one.select_pipes(enable=["transformer"]):
        annotated = list(one.pipe(TEXTS))
    theirs = [dict(one.get_pipe("textcat")(doc.copy()).cats) for doc in annotated]  # type: ignore[operator]
    assert theirs != [pytest.approx(cats, abs=1e-4) for cats in expected]
    for docs in (annotated, [by_bytes(doc) for doc in annotated]):
        for doc, cats in zip(docs, expected, strict=True):
            doc.cats = {}
            other.get_pipe("textcat")(doc)  # type: ignore[operator]
            assert doc.cats == pytest.approx(cats, abs=1e-5)


def test_stored_docs_are_not_read_anew_by_the_training_that_annotated_them(
    bert: str, tmp_path: Path
) -> None:
    nlp = trained(bert, {"tagger": listener("attention")})
    loaded = reloaded(nlp, tmp_path)
    docs = [by_bytes(doc) for doc in nlp.pipe(TEXTS)]
    expected = annotations(docs)
    with encoded() as runs:
        assert annotations([loaded.get_pipe("tagger")(doc) for doc in docs]) == expected  # type: ignore[operator]
    assert not runs


def slots(nlp: Language) -> list[str]:
    listeners = nlp.get_pipe("transformer").listeners  # type: ignore[attr-defined]
    return [listener.vectors_key for listener in listeners]
