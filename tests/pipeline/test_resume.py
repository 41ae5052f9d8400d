"""A training that was killed goes on to the weights that it would have had."""

import random
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from spacy.training import Example
from sweeps import make_corpus, make_plan

from dlfa_spacy.pipeline.resume import Batches, TrainingState, weights
from dlfa_spacy.pipeline.training import Trained, train
from dlfa_spacy.runs.prepare import make_runs
from dlfa_spacy.runs.run import run_config
from dlfa_spacy.runs.settings import RunSettings


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def settings(corpus: Path, bert: str, out: Path, method: str, **more: Any) -> RunSettings:
    overrides = {"training.dropout": 0.2, "training.eval_frequency": 4, **more.pop("overrides", {})}
    plan = make_plan(
        corpus, bert, methods=[method], seeds=[3], epochs=5, overrides=overrides, **more
    )
    (run,) = make_runs(plan, out)
    return run


def trained(run: RunSettings, folder: Path, kill_at: int = 0, every: float = 0.0) -> Trained:
    def on_step(step: int, steps: int) -> None:
        # As a new process has none of it.
        if kill_at and step == kill_at:
            raise Killed

    folder.mkdir(exist_ok=True)
    state = TrainingState(folder / "state", run.hash, every)
    config = run_config(run, 24)
    return train(config, folder / "model-best", on_step=on_step, state=state)


def tensors(result: Trained) -> dict[str, numpy.ndarray]:
    found = weights(result.nlp, ())
    return {name: numpy.array(values) for name, values in found.items()}


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("dlfa:2", {}),
        ("attention", {"frozen": True}),
        ("last", {"overrides": {"initialize.after_init": {
            "@callbacks": "dlfa_spacy.freeze_layers.v1", "layers": [1], "embeddings": True}}}),
    ],
)  # fmt: skip
def test_a_killed_training_ends_with_the_same_weights(
    corpus: Path, bert: str, tmp_path: Path, method: str, more: dict[str, Any]
) -> None:
    run = settings(corpus, bert, tmp_path, method, **more)
    whole = trained(run, tmp_path / "whole")
    assert not (tmp_path / "whole" / "state").exists()
    # In the middle of an epoch, after an evaluation and after the next.
    folder = tmp_path / "killed"
    for step in (6, 11):
        with pytest.raises(Killed):
            trained(run, folder, kill_at=step)
        assert (folder / "state").is_file()
        random.seed(99)
        numpy.random.seed(99)
        torch.manual_seed(99)
    went_on = trained(run, folder)
    assert not (folder / "state").exists()
    assert [point["step"] for point in went_on.history] == [4, 8, 12]
    for ours, theirs in zip(went_on.history, whole.history, strict=True):
        assert ours == theirs
    assert went_on.best_step == whole.best_step
    expected, found = tensors(whole), tensors(went_on)
    assert expected.keys() == found.keys() and len(expected) > 20
    for name, values in expected.items():
        numpy.testing.assert_array_equal(found[name], values, err_msg=name)
    assert went_on.train_seconds > 0


def test_the_state_of_other_settings_is_not_used(corpus: Path, bert: str, tmp_path: Path) -> None:
    run = settings(corpus, bert, tmp_path, "last")
    with pytest.raises(Killed):
        trained(run, tmp_path / "run", kill_at=6)
    state = tmp_path / "run" / "state"
    assert TrainingState(state, run.hash).read() is not None
    assert TrainingState(state, "another").read() is None
    assert TrainingState(None).read() is None


def test_a_short_training_writes_no_state(corpus: Path, bert: str, tmp_path: Path) -> None:
    run = settings(corpus, bert, tmp_path, "last")
    with pytest.raises(Killed):
        trained(run, tmp_path / "run", kill_at=6, every=60.0)
    assert not (tmp_path / "run" / "state").exists()


@pytest.mark.parametrize("max_epochs", [0, -1])
def test_batches_go_on_from_any_place_in_the_order_of_spacy(max_epochs: int) -> None:
    nlp = spacy.blank("xx")

    class Corpus:
        """Texts that tell which pass they are of."""

        def __init__(self) -> None:
            self.passes = 0

        def __call__(self, nlp: Any = nlp) -> Any:
            self.passes += 1
            for i in range(7):
                doc = nlp.make_doc(f"w{i} {self.passes}")
                yield Example(doc, doc.copy())

    def batcher(items: Any) -> Any:
        items = list(items)
        yield from (items[i : i + 3] for i in range(0, len(items), 3))

    from spacy.training.loop import create_train_batches

    random.seed(5)
    theirs = create_train_batches(nlp, Corpus(), batcher, max_epochs)
    expected = [
        (epoch, [eg.text for eg in batch]) for epoch, batch in (next(theirs) for _ in range(12))
    ]
    for stop in range(12):
        random.seed(5)
        first = Batches(Corpus(), batcher, max_epochs < 0)
        found = [next(items) for items in [iter(first)] * stop]
        state, chance = first.state(), random.getstate()
        random.seed(77)
        second = Batches(Corpus(), batcher, max_epochs < 0)
        second.set_state(state)
        random.setstate(chance)
        rest = iter(second)
        found += [next(rest) for _ in range(12 - stop)]
        assert [(epoch, [eg.text for eg in batch]) for epoch, batch in found] == expected
