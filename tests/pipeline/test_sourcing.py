"""Components trained apart on one frozen encoder, put together by `source` alone."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from life import annotations, component, config, encoded, encoder_block, examples, listener, scores
from spacy.language import Language
from spacy.util import load_model_from_config
from thinc.api import Config

TEXTS = ["Anna lives in Berlin", "the un able Berlin", "", "lives the in Anna Berlin ed"]
FROZEN: dict[str, Any] = {"exclude": ["transformer"], "annotates": ["transformer"]}
KINDS = {"ner": "mix", "tagger": "last", "textcat": "attention", "parser": "fusion"}


def trained_apart(
    folder: str, name: str, aggregation: str | None = None, steps: int = 5, frozen: bool = True
) -> Language:
    """A pipeline of one component; its weights are its own."""
    nlp = load_model_from_config(config(folder, [name], aggregation or KINDS[name]), auto_fill=True)
    spacy.util.fix_random_seed(len(name))
    optimizer = nlp.initialize(lambda: examples(nlp))
    optimizer.learn_rate = 1e-2
    for _ in range(steps):
        nlp.update(examples(nlp), sgd=optimizer, **(FROZEN if frozen else {}))
    return nlp


def apart(folder: str, to: Path) -> dict[str, Path]:
    paths = {}
    for name in KINDS:
        trained_apart(folder, name).to_disk(to / name)
        paths[name] = to / name
    return paths


def expected(paths: dict[str, Path]) -> dict[str, Any]:
    """RETURNS: What each component gave alone."""
    return {name: results(spacy.load(path), name) for name, path in paths.items()}


def results(nlp: Language, name: str) -> Any:
    keys = {"ner": ["ents"], "tagger": ["tags"], "parser": ["heads", "deps"], "textcat": ["cats"]}
    docs = list(nlp.pipe(TEXTS))
    found: list[Any] = [[doc[key] for key in keys[name]] for doc in annotations(docs)]
    if name == "textcat":
        found += [[round(score, 4) for score in scores([doc])] for doc in docs]
    return found


@pytest.mark.slow
def test_they_give_what_they_gave_at_home_with_one_pass(bert: str, tmp_path: Path) -> None:
    paths = apart(bert, tmp_path)
    homes = expected(paths)
    nlp = spacy.load(paths["ner"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in KINDS:
            if name != "ner":
                nlp.add_pipe(name, source=spacy.load(paths[name]))
    for name in KINDS:
        assert results(nlp, name) == homes[name]
    with encoded() as runs:
        list(nlp.pipe(TEXTS, batch_size=8))
    assert len(runs) == 1
    nlp.to_disk(tmp_path / "joined")
    again = spacy.load(tmp_path / "joined")
    for name in KINDS:
        assert results(again, name) == homes[name]


@pytest.mark.slow
def test_in_a_config_too_and_on_the_encoder_as_it_came(bert: str, tmp_path: Path) -> None:
    paths = apart(bert, tmp_path)
    homes = expected(paths)
    blocks: dict[str, Any] = {name: {"source": str(path)} for name, path in paths.items()}
    for transformer in ({"source": str(paths["ner"])}, encoder_block(bert)):
        settings = {
            "nlp": {"lang": "xx", "pipeline": ["transformer", *KINDS]},
            "components": {"transformer": transformer, **blocks},
        }
        nlp = load_model_from_config(Config(settings), auto_fill=True)
        for name in KINDS:
            assert results(nlp, name) == homes[name]


@pytest.mark.parametrize("aggregation", ["mix", "attention", "last", "mean"])
def test_another_encoder_is_refused_when_it_is_linked(
    bert: str, tmp_path: Path, aggregation: str
) -> None:
    home = trained_apart(bert, "ner", aggregation)
    other = trained_apart(bert, "tagger", frozen=False)
    names = [nlp.get_pipe("transformer").model.shim.fingerprint() for nlp in (home, other)]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=rf"(?s){names[0]}.*{names[1]}.*Fix:"):
        other.add_pipe("ner", source=home)
    home.to_disk(tmp_path)
    other = trained_apart(bert, "tagger", frozen=False)
    with pytest.raises(ValueError, match=r"(?s)replace_listeners"):
        other.add_pipe("ner", source=spacy.load(tmp_path))
    # Nor is it used as if nothing had been said.
    with pytest.raises(ValueError, match=r"(?s)replace_listeners"):
        other("Anna lives in Berlin")


def test_an_encoder_that_is_loaded_later_is_refused_at_the_first_use(
    bert: str, tmp_path: Path
) -> None:
    trained_apart(bert, "ner", frozen=False).to_disk(tmp_path)
    settings = {
        "nlp": {"lang": "xx", "pipeline": ["transformer", "ner"]},
        "components": {"transformer": encoder_block(bert), "ner": {"source": str(tmp_path)}},
    }
    nlp = load_model_from_config(Config(settings), auto_fill=True)
    with pytest.raises(ValueError, match=r"(?s)replace_listeners"):
        nlp("Anna lives in Berlin")


@pytest.mark.parametrize("factory", ["dlfa_transformer", "transformer"])
def test_with_an_encoder_of_its_own_it_is_welcome(bert: str, factory: str) -> None:
    home = trained_apart(bert, "ner")
    at_home = results(home, "ner")
    other = trained_apart(bert, "tagger", frozen=False)
    home.replace_listeners("transformer", "ner", ["model.tok2vec"])
    other.add_pipe("ner", source=home)
    assert results(other, "ner") == at_home


def test_training_goes_on_with_an_encoder_that_trains(bert: str, tmp_path: Path) -> None:
    trained_apart(bert, "ner", frozen=False).to_disk(tmp_path / "first")
    nlp = spacy.load(tmp_path / "first")
    optimizer = nlp.resume_training()
    for _ in range(2):
        nlp.update(examples(nlp), sgd=optimizer)
    nlp._link_components()
    nlp.add_pipe("tagger", config={"model": component("tagger", listener("mix"))["model"]})
    nlp.remove_pipe("tagger")
    found = results(nlp, "ner")
    nlp.to_disk(tmp_path / "second")
    assert results(spacy.load(tmp_path / "second"), "ner") == found
    # The same pipeline object takes the weights of both.
    for folder in ("first", "second"):
        nlp.from_disk(tmp_path / folder)
        assert results(nlp, "ner") == results(spacy.load(tmp_path / folder), "ner")


def test_a_pipeline_of_before_says_nothing_and_loads(bert: str, tmp_path: Path) -> None:
    import srsly

    home = trained_apart(bert, "ner")
    at_home = results(home, "ner")
    shims = [home.get_pipe("transformer").model.shim]  # type: ignore[attr-defined]
    shims += [node.shims[0] for node in home.get_pipe("ner").model.walk() if node.shims]  # type: ignore[attr-defined]
    for shim in shims:
        original = shim.to_bytes

        def without(original: Any = original) -> bytes:
            msg = srsly.msgpack_loads(original())
            if isinstance(msg["encoder"], dict):
                del msg["encoder"]["fingerprint"]
            else:
                del msg["encoder"]
            return srsly.msgpack_dumps(msg)

        shim.to_bytes = without
    home.to_disk(tmp_path)
    old = spacy.load(tmp_path)
    assert results(old, "ner") == at_home
    other = trained_apart(bert, "tagger")
    other.add_pipe("ner", source=old)
    assert results(other, "ner") == at_home


def test_loading_does_not_hash(bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_apart(bert, "ner").to_disk(tmp_path)

    def fail(*args: Any) -> str:
        raise AssertionError("hashed")

    monkeypatch.setattr("dlfa_spacy.encoder.shim.fingerprint", fail)
    spacy.load(tmp_path)("Anna lives")


def test_what_was_sourced_pickles(bert: str) -> None:
    home, nlp = trained_apart(bert, "ner"), trained_apart(bert, "tagger")
    at_home = results(home, "ner")
    nlp.add_pipe("ner", source=home)
    assert results(pickle.loads(pickle.dumps(nlp)), "ner") == at_home


def test_training_on_goes_on_frozen_after_joining(bert: str, tmp_path: Path) -> None:
    nlp, home = trained_apart(bert, "tagger"), trained_apart(bert, "ner")
    nlp.add_pipe("ner", source=home)
    before = results(nlp, "tagger")
    torch.manual_seed(0)
    optimizer = nlp.resume_training()
    losses = [
        nlp.update(
            examples(nlp),
            sgd=optimizer,
            exclude=["transformer", "tagger"],
            annotates=["transformer"],
        )["ner"]
        for _ in range(3)
    ]
    assert losses[-1] < losses[0]
    assert results(nlp, "tagger") == before
    nlp.to_disk(tmp_path)
    assert results(spacy.load(tmp_path), "tagger") == before
