"""The loop of alignment: losses fall, a kill changes nothing, the result is an encoder."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
from aligned import toy_examples, toy_method, toy_pairs, write_text
from typer.testing import CliRunner

from dlfa_spacy.alignment.training import train as loop
from dlfa_spacy.alignment.training.order import Order
from dlfa_spacy.alignment.training.result import save_result
from dlfa_spacy.alignment.training.settings import TrainSettings, rate_at
from dlfa_spacy.alignment.training.train import train
from dlfa_spacy.cli import app

SETTINGS = TrainSettings(
    steps=6, batch_size=6, learn_rate=1e-3, save_every=2, warmup=0.2, accumulate=2
)
SMALL: dict[str, dict[str, Any]] = {
    "ppa": {"queue": 16, "momentum": 0.9},
    "sense": {"queue": 16, "rate": 0.5, "width": 4, "refresh": 2},
}


def run(folder: str, name: str, settings: TrainSettings, **more: Any) -> tuple[Any, list[Any]]:
    torch.manual_seed(3)
    method, collate = toy_method(folder, name, **SMALL.get(name, {}), **more.pop("changes", {}))
    examples = toy_examples(method.tokenizer, toy_pairs(20))
    return method, train(method, examples, collate, settings, **more)


class Killed(Exception):
    """Stands for SIGKILL: nothing after it runs."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ml-ctl", "ppa", "realign", "sense"])
def test_killed_and_resumed_is_the_same_as_uninterrupted(
    bert: str, tmp_path: Path, name: str
) -> None:
    whole, rows = run(bert, name, SETTINGS)
    path = tmp_path / "checkpoint.pt"

    def kill(row: dict[str, float]) -> None:
        if row["step"] == 5:
            raise Killed

    with pytest.raises(Killed):
        run(bert, name, SETTINGS, checkpoint=path, report=kill)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    torch.manual_seed(99)
    again: list[float] = []
    resumed, found = run(
        bert, name, SETTINGS, checkpoint=path, report=lambda row: again.append(row["step"])
    )
    assert again == [5, 6]
    assert found == rows
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


def test_a_checkpoint_of_another_training_is_refused(bert: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    short = replace(SETTINGS, steps=2)
    run(bert, "labse", short, checkpoint=path)
    with pytest.raises(ValueError, match="another training.*Fix"):
        run(bert, "labse", replace(short, seed=1), checkpoint=path)
    path.write_bytes(b"no")
    with pytest.raises(ValueError, match="cannot be read"):
        run(bert, "labse", short, checkpoint=path)


def test_the_seed_decides(bert: str) -> None:
    losses = [
        [row["loss"] for row in run(bert, "labse", replace(SETTINGS, steps=2, seed=seed))[1]]
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_accumulated_batches_make_the_gradient_of_their_mean(bert: str) -> None:
    settings = replace(SETTINGS, steps=1, learn_rate=1e-9, clip=0.0)
    one = run(bert, "labse", replace(settings, accumulate=1))[1]
    two = run(bert, "labse", replace(settings, accumulate=2))[1]
    assert one[0]["loss"] != two[0]["loss"]
    assert one[0]["learn_rate"] == two[0]["learn_rate"]


def test_early_stop_keeps_the_best(bert: str) -> None:
    scores = iter([0.1, 0.9, 0.5, 0.4, 0.3])
    seen: list[torch.Tensor] = []

    def evaluate(method: Any) -> dict[str, float]:
        assert not method.training and not torch.is_grad_enabled()
        seen.append(next(method.encoder.parameters()).clone())
        return {"score": next(scores)}

    settings = replace(SETTINGS, eval_every=1, patience=2, accumulate=1)
    method, rows = run(bert, "labse", settings, evaluate=evaluate)
    assert [row["held_out_score"] for row in rows] == [0.1, 0.9, 0.5, 0.4]
    assert torch.equal(next(method.encoder.parameters()), seen[1])
    assert not torch.equal(seen[1], seen[3])


def test_looking_at_held_out_text_changes_nothing(bert: str) -> None:
    def evaluate(method: Any) -> dict[str, float]:
        return {"score": float(torch.rand(()))}

    settings = replace(SETTINGS, steps=3, eval_every=1)
    plain = run(bert, "labse", settings)[1]
    looked = run(bert, "labse", settings, evaluate=evaluate)[1]
    assert [row["loss"] for row in plain] == [row["loss"] for row in looked]


def test_bf16_trains_in_float32_weights_and_is_nothing_where_the_device_emulates_it(
    bert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(SETTINGS, steps=2)
    plain = [row["loss"] for row in run(bert, "ml-ctl", settings)[1]]
    for has in (True, False):
        monkeypatch.setattr(loop, "has_bfloat16", lambda device, has=has: has)
        method, rows = run(bert, "ml-ctl", replace(settings, bf16=True))
        assert {p.dtype for p in method.parameters()} == {torch.float32}
        losses = [row["loss"] for row in rows]
        assert losses == pytest.approx(plain, rel=0.05) and (losses != plain) is has


def test_words_cannot_be_aligned_without_links(bert: str) -> None:
    method, collate = toy_method(bert, "realign")
    bare = [replace(pair, links=[]) for pair in toy_pairs(4)]
    with pytest.raises(ValueError, match="No words are linked.*Fix"):
        train(method, toy_examples(method.tokenizer, bare), collate, SETTINGS)


def test_the_schedule_rises_and_falls() -> None:
    settings = TrainSettings(steps=10, warmup=0.2)
    factors = [rate_at(step, settings) for step in range(10)]
    assert factors[:3] == [0.5, 1.0, 1.0] and factors[-1] == pytest.approx(1 / 8)
    assert rate_at(9, replace(settings, schedule="constant")) == 1
    with pytest.raises(ValueError, match="warmup = 2: expected 0 to 1"):
        TrainSettings(warmup=2)


def test_every_epoch_has_each_example_once() -> None:
    order = Order(7, 3, seed=0)
    first, second = ([i for k in (a, a + 1) for i in order[k]] for a in (0, 2))
    assert len(set(first)) == len(set(second)) == 6 and first != second
    assert order[1] == first[3:]
    assert sorted(Order(2, 8, 0)[5]) == [0, 1]


def test_the_result_is_an_encoder_for_a_pipeline(bert: str, tmp_path: Path) -> None:
    method, rows = run(bert, "labse", replace(SETTINGS, steps=2))
    folder = tmp_path / "aligned"
    save_result(method, folder, {"method": "labse", "losses": rows})
    assert json.loads((folder / "alignment.json").read_text())["method"] == "labse"
    nlp = spacy.blank("xx")
    model = {"@architectures": "dlfa_spacy.TransformerModel.v1", "name": str(folder)}
    nlp.add_pipe("dlfa_transformer", config={"model": model})
    nlp.initialize()
    loaded = nlp.get_pipe("dlfa_transformer").model.transformer  # type: ignore[attr-defined]
    for key, value in method.encoder.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[key]), key
    assert [p.name for p in tmp_path.iterdir()] == ["aligned"]


@pytest.mark.parametrize("name", ["clbt", "realign"])
def test_one_command_from_parallel_text_to_an_encoder(bert: str, tmp_path: Path, name: str) -> None:
    text = write_text(tmp_path / "ru-en.tsv")
    out = tmp_path / "aligned"
    arguments = ["align", name, bert, str(out), "--parallel", str(text), "--steps", "3"]
    arguments += ["--batch-size", "8", "--eval-every", "2", "--set", "word_repr=mean"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((out / "alignment.json").read_text(encoding="utf-8"))
    assert report["settings"]["word_repr"] == "mean"
    assert report["data"]["pairs"] == 32 and report["data"]["held_out"] == 8
    assert len(report["losses"]) == (1 if name == "clbt" else 3)
    assert 0 <= report["retrieval"]["after"]["ru"] <= 1
    assert (out / "language_maps.safetensors").is_file() == (name == "clbt")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["aligned", "ru-en.tsv"]


def test_the_command_says_what_is_wrong(bert: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "ru-en.tsv", 4)
    for wrong, message in (
        (["no", bert, "out"], "expected one of ml-ctl"),
        (["labse", bert, "out", "--set", "margin"], "expected name=value"),
        (["labse", bert, "out", "--set", "margin=big"], "expected a float"),
        (["labse", bert, "out", "--steps", "0"], "steps = 0"),
    ):
        result = CliRunner().invoke(app, ["align", *wrong, "--parallel", str(text)])
        assert result.exit_code == 1 and message in " ".join(result.output.split()), wrong
