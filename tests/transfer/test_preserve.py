"""Fine-tuning that preserves: which gradient reaches the optimizer, and what is recorded."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import torch
from aligned import write_text
from life import gold_docs, parameters, trained
from pipelines import TEXTS, Bench, bench
from spacy.language import Language
from torch import Tensor

from dlfa_spacy.transfer.preserve import Preserve, build_preserve_v1
from dlfa_spacy.transfer.reference import Reference

STEP = {"step": 0, "epoch": 0}


def callback(tmp_path: Path, **settings: Any) -> Preserve:
    text = write_text(tmp_path / "ru-en.tsv", 8)
    settings = {"parallel": str(text), "batch_size": 100, "seed": 5, **settings}
    made = build_preserve_v1(**settings)
    assert isinstance(made, Preserve)
    return made


def gradients(both: Bench) -> dict[str, Tensor]:
    shim = both.nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    return {
        name: p.grad.detach().clone()
        for name, p in shim._model.named_parameters()
        if p.grad is not None
    }


def flat(gradient: dict[str, Tensor], like: dict[str, Tensor]) -> numpy.ndarray:
    parts = [gradient.get(name, torch.zeros_like(p)).double().flatten() for name, p in like.items()]
    return torch.cat(parts).numpy()


def changed(both: Bench, hook: Preserve) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """RETURNS: The task's gradient alone, and what the hook makes of it."""
    both.encoder.zero_grad()
    both.update(TEXTS)
    task = gradients(both)
    both.encoder.zero_grad()
    hook(both.nlp, STEP)
    both.update(TEXTS)
    shim = both.nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    assert gradients(both).keys() == task.keys()
    shim.before_step()
    return task, gradients(both)


def planted(both: Bench, hook: Preserve, gradient: dict[str, Tensor]) -> None:
    """Let the reference have this gradient."""
    hook._gradient = lambda *_: gradient  # type: ignore[method-assign,assignment]


def test_a_violated_reference_is_projected_away(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    both.update(TEXTS)
    torch.manual_seed(0)
    task = gradients(both)
    against = {name: torch.randn_like(g) * g.std() - g for name, g in task.items()}
    hook = callback(tmp_path)
    planted(both, hook, against)
    task, found = changed(both, hook)
    g, x, r = (flat(part, task) for part in (task, found, against))
    assert g @ r < 0
    assert x == pytest.approx(g - (g @ r) / (r @ r) * r, rel=1e-4, abs=1e-6)
    assert (hook.steps, hook.violated) == (1, 1)
    assert both.nlp.meta["preserve"]["violated"] == 1.0


def test_what_agrees_changes_nothing(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    both.update(TEXTS)
    hook = callback(tmp_path)
    planted(both, hook, gradients(both))
    task, found = changed(both, hook)
    assert all(torch.equal(task[name], found[name]) for name in task)
    assert (hook.steps, hook.violated) == (1, 0)


def test_the_opposite_stops_the_encoder_and_not_the_heads(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger"], "last", steps=1)
    hook = callback(tmp_path)
    shim = nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]

    def turn() -> None:
        opposite = {
            n: -p.grad.clone() for n, p in shim._model.named_parameters() if p.grad is not None
        }
        hook._gradients = [opposite]
        hook._change(nlp, nlp.get_pipe("transformer").model, None)  # type: ignore[attr-defined]

    before = parameters(nlp)
    head = nlp.get_pipe("tagger").model.get_ref("softmax").get_param("W").copy()  # type: ignore[attr-defined]
    optimizer = nlp.resume_training()
    shim.before_step = turn
    nlp.update([*examples(nlp)], sgd=optimizer)
    after = parameters(nlp)
    # Adam makes steps of 1e-3 of any gradient, but not of rounding errors.
    assert max(abs(after[n] - before[n]).max() for n in before) < 1e-4
    assert (head != nlp.get_pipe("tagger").model.get_ref("softmax").get_param("W")).any()  # type: ignore[attr-defined]


def examples(nlp: Language) -> Any:
    from life import examples

    return examples(nlp)


def test_sum_adds_the_gradient_of_the_reference(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path, mode="sum", coefficient=0.3)
    task, found = changed(both, hook)
    (reference,) = hook._gradients
    assert len(reference) > 20
    for name in task:
        expected = task[name] + 0.3 * reference.get(name, torch.zeros_like(task[name]))
        assert torch.allclose(found[name], expected, rtol=1e-5, atol=1e-8)


def test_l2_draws_back_to_the_initial_weights(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    hook = build_preserve_v1(references=[], l2=0.5)
    assert isinstance(hook, Preserve)
    shim = both.nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    task, found = changed(both, hook)
    # At the start it is nothing.
    assert all(torch.equal(task[name], found[name]) for name in task)
    with torch.no_grad():
        for p in shim._model.parameters():
            p.add_(0.25)
    task, found = changed(both, hook)
    for name in task:
        assert torch.allclose(
            found[name] - task[name], torch.full_like(task[name], 0.25), atol=1e-4
        )


@pytest.mark.parametrize("reference", ["mlm", "retrieval", "realign"])
def test_every_reference_has_a_gradient_and_leaves_none(
    bert: str, tmp_path: Path, reference: str
) -> None:
    both = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path, references=[reference])
    hook(both.nlp, STEP)
    (found,) = hook._gradients
    assert sum(float(g.abs().sum()) > 0 for g in found.values()) > 20
    assert not gradients(both)
    assert hook.references[0].loss > 0


def test_between_two_batches_the_last_one_serves(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path, every=2, batch_size=4)
    seen = []
    for step in range(4):
        hook(both.nlp, {"step": step, "epoch": 0})
        seen.append(hook._gradients)
    assert seen[0] is seen[1] and seen[2] is seen[3] and seen[1] is not seen[2]


def test_embeddings_can_be_left_out(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    sizes = []
    for embeddings in (True, False):
        hook = callback(tmp_path, embeddings=embeddings)
        hook(both.nlp, STEP)
        sizes.append(len(hook._gradients[0]))
    assert sizes[0] == sizes[1] + 1


def test_the_log_and_the_meta(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    path = tmp_path / "new" / "preserve.jsonl"
    hook = callback(tmp_path, references=["retrieval", "realign"], log=str(path), every=2)
    shim = both.nlp.get_pipe("transformer").model.shim  # type: ignore[attr-defined]
    for step in range(3):
        hook(both.nlp, {"step": step, "epoch": 0})
        both.update(TEXTS)
        shim.before_step()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [0, 2]
    keys = {"step", "violated"}
    keys |= {f"{kind}_{name}" for kind in ("loss", "cosine") for name in ("retrieval", "realign")}
    assert all(set(row) == keys and -1 <= row["cosine_realign"] <= 1 for row in rows)
    assert both.nlp.meta["preserve"]["losses"].keys() == {"retrieval", "realign"}


def test_no_copy_of_weights_is_pickled_or_saved(bert: str, tmp_path: Path) -> None:
    both = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path, l2=0.1)
    size = len(pickle.dumps(hook))
    plain = len(both.nlp.to_bytes())
    hook(both.nlp, STEP)
    assert len(pickle.dumps(hook)) < size + 200
    assert len(both.nlp.to_bytes()) == plain
    assert pickle.loads(pickle.dumps(hook))._gradients == []


def test_a_pipeline_trained_with_it_loads(bert: str, tmp_path: Path) -> None:
    nlp = trained(bert, ["tagger"], "attention", steps=0)
    hook = callback(tmp_path, references=["retrieval"], batch_size=4)
    optimizer = nlp.resume_training()
    for step in range(2):
        hook(nlp, {"step": step, "epoch": 0})
        nlp.update([*examples(nlp)], sgd=optimizer)
    assert hook.steps == 2
    nlp.to_disk(tmp_path / "saved")
    again = spacy.load(tmp_path / "saved")
    for doc in gold_docs(spacy.blank("xx")):
        assert [t.tag_ for t in nlp(doc.text)] == [t.tag_ for t in again(doc.text)]
    assert "preserve" in again.meta


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "no"}, 'mode = "no": expected one of project, sum'),
        ({"references": ["nsp"]}, 'references = "nsp": expected one of mlm'),
        ({"every": 0}, "every = 0"),
        ({"l2": -1.0}, "l2 = -1.0"),
        ({"references": []}, "expected references and text"),
        ({"parallel": None}, "expected references and text"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_preserve_v1(**{"parallel": "text", **settings})


def test_a_reference_is_a_plain_thing() -> None:
    hook = build_preserve_v1("text", ["realign"])
    assert isinstance(hook, Preserve)
    assert isinstance(hook.references[0], Reference)
    assert "parallel='text'" in repr(hook.references[0])
