"""Realignment during fine-tuning: the gradient of the sum of both losses, in spaCy's own loop."""

import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import spacy
import torch
import torch.nn.functional as F
from aligned import toy_pairs, write_text
from life import config, gold_docs
from pipelines import TEXTS, Bench, bench, errors_by_layer
from spacy.cli.init_config import fill_config
from spacy.cli.train import train as spacy_train
from spacy.tokens import DocBin
from spacy.util import registry
from sweeps import make_corpus
from thinc.api import Config
from torch import Tensor, nn

from dlfa_spacy.alignment.training.order import seeded
from dlfa_spacy.runs.plan import read_plan
from dlfa_spacy.runs.prepare import make_runs
from dlfa_spacy.runs.run import run_config
from dlfa_spacy.transfer.joint import build_adjust_v1, build_realign_v1

SCALES = {"coefficient": 0.3, "batch_size": 100, "seed": 5}


def word_vectors(encoder: nn.Module, tokenizer: Any, words: list[str]) -> Tensor:
    """RETURNS: `(n, E)`, the means of the wordpieces of one text's words in the last layer."""
    encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
    state = encoder(**encoded).last_hidden_state[0]
    owners = encoded.word_ids()
    rows = [[r for r, owner in enumerate(owners) if owner == i] for i in range(len(words))]
    return torch.stack([state[own].mean(dim=0) for own in rows])


def strong_loss(encoder: nn.Module, tokenizer: Any, n: int) -> Tensor:
    """Gaschi et al. in a few lines: every linked word against every word, itself left out."""
    pairs = toy_pairs(n)
    foreign = [word_vectors(encoder, tokenizer, pair.source_words) for pair in pairs]
    english = [word_vectors(encoder, tokenizer, pair.target_words) for pair in pairs]
    total = sum(len(part) for part in foreign)
    links, i, j = [], 0, total
    for pair in pairs:
        links += [(i + a, j + b) for a, b in pair.links]
        i, j = i + len(pair.source_words), j + len(pair.target_words)
    words = F.normalize(torch.cat([*foreign, *english]), dim=1)
    logits = (words @ words.T / 0.1).masked_fill(torch.eye(len(words), dtype=torch.bool), -math.inf)
    anchors = torch.tensor([a for a, _ in links] + [b for _, b in links])
    wanted = torch.tensor([b for _, b in links] + [a for a, _ in links])
    return F.cross_entropy(logits[anchors], wanted)


def callback(tmp_path: Path, n: int = 8, **settings: Any) -> Any:
    text = write_text(tmp_path / "ru-en.tsv", n)
    return build_realign_v1(str(text), **{**SCALES, **settings})


@pytest.mark.parametrize("aggregation", ["last", "attention", "product"])
def test_the_gradient_is_that_of_the_sum_of_both_losses(
    bert: str, tmp_path: Path, aggregation: str
) -> None:
    both: Bench = bench(bert, {"tagger": aggregation})
    hook = callback(tmp_path)
    hook(both.nlp, {"step": 0, "epoch": 0})
    both.update(TEXTS)
    both.repeat(TEXTS)
    loss = strong_loss(both.transformer, both.tokenizer, 8)
    (0.3 * loss).backward()
    assert hook.loss == pytest.approx(loss.item(), rel=1e-4)
    wrong = {k: v for k, v in both.errors().items() if not v < 1e-4}
    assert not wrong


def adjusted(tmp_path: Path, **settings: Any) -> Any:
    text = write_text(tmp_path / "ru-en.tsv", 8)
    return build_adjust_v1(str(text), batch_size=100, **settings)


def test_adjustment_starts_without_a_distance_from_where_english_was(
    bert: str, tmp_path: Path
) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    model = both.nlp.get_pipe("transformer").model  # type: ignore[attr-defined]
    reference = adjusted(tmp_path).reference
    method, batch = reference._batch(model, 0)
    found = method.eval()(batch, seeded(0, 0))
    assert found["keep"].item() == pytest.approx(0, abs=1e-10)
    # One weight for the sum, one for the two parts of it.
    assert found["loss"].item() == pytest.approx(found["align"].item(), rel=1e-6)
    assert method.settings.weight == pytest.approx(100.0)
    firsts, lasts = [], []
    for side in (batch.source, batch.target):
        state = both.transformer(input_ids=side.ids, attention_mask=side.mask).last_hidden_state
        firsts.append(state[:, 0])
        lasts.append(state[range(len(state)), side.mask.sum(1) - 1])
    first, last = F.mse_loss(*firsts), F.mse_loss(*lasts)
    plain = adjusted(tmp_path, special_tokens=False).reference
    without = plain._batch(model, 0)[0].eval()(batch, seeded(0, 0))["align"]
    n, size = len(batch.links), len(batch.languages)
    expected = (n * without + size * (first + last)) / (n + 2 * size)
    assert found["align"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_adjustment_has_the_gradient_of_both_distances(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    hook = adjusted(tmp_path, align=0.5, keep=2.0)
    hook(both.nlp, {"step": 0, "epoch": 0})
    moved = [p for p in both.encoder.parameters() if p.grad is not None and bool(p.grad.any())]
    assert len(moved) > 20
    assert hook.loss > 0


def test_without_the_callback_the_gradient_is_another(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    both.update(TEXTS)
    both.repeat(TEXTS)
    (0.3 * strong_loss(both.transformer, both.tokenizer, 8)).backward()
    assert max(errors_by_layer(both.encoder, both.transformer).values()) > 0.01


def test_only_each_nth_step_has_a_batch_and_every_batch_is_another(
    bert: str, tmp_path: Path
) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path, 20, every=3, batch_size=4)
    losses = []
    for step in range(7):
        hook.reference.loss = math.nan
        both.encoder.zero_grad()
        hook(both.nlp, {"step": step, "epoch": 0})
        has_gradient = any(
            p.grad is not None and bool(p.grad.any()) for p in both.encoder.parameters()
        )
        assert has_gradient == (step % 3 == 0) == (not math.isnan(hook.loss))
        losses.append(hook.loss)
    assert len({losses[0], losses[3], losses[6]}) == 3


def test_it_pickles_without_what_it_has_read(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    hook = callback(tmp_path)
    fresh = len(pickle.dumps(hook))
    hook(both.nlp, {"step": 0, "epoch": 0})
    copied = pickle.loads(pickle.dumps(hook))
    assert len(pickle.dumps(hook)) < fresh + 100
    copied(both.nlp, {"step": 0, "epoch": 0})
    assert copied.loss == pytest.approx(hook.loss, rel=1e-5)


@pytest.mark.slow
def test_a_pipeline_is_trained_with_it_saved_and_loaded(bert: str, tmp_path: Path) -> None:
    text = write_text(tmp_path / "ru-en.tsv", 8)
    DocBin(docs=gold_docs(spacy.blank("xx"))).to_disk(tmp_path / "corpus.spacy")
    reader = {"@readers": "spacy.Corpus.v1", "path": str(tmp_path / "corpus.spacy")}
    settings = config(bert, ["tagger"], "attention")
    settings["corpora"] = {"train": dict(reader), "dev": dict(reader)}
    block = {"@callbacks": "dlfa_spacy.realign.v1", "parallel": str(text), "batch_size": 4}
    optimizer = {"@optimizers": "Adam.v1", "learn_rate": 1e-3}
    settings["training"] = {"max_steps": 2, "eval_frequency": 2, "optimizer": optimizer}
    states = []
    for name, before_update in (("joint", block), ("plain", None)):
        settings["training"]["before_update"] = before_update
        settings.to_disk(tmp_path / "config.cfg")
        _, filled = fill_config(tmp_path / f"{name}.cfg", tmp_path / "config.cfg")
        if before_update:
            assert filled["training"]["before_update"]["coefficient"] == 0.1
        spacy_train(tmp_path / f"{name}.cfg", tmp_path / name)
        nlp = spacy.load(tmp_path / name / "model-last")
        states.append(nlp.get_pipe("transformer").model.transformer.state_dict())  # type: ignore[attr-defined]
    moved = [key for key, value in states[0].items() if not torch.equal(value, states[1][key])]
    assert len(moved) > 20
    # Nothing of it is needed any more once it is trained.
    text.unlink()
    joint = spacy.load(tmp_path / "joint" / "model-last")
    joint.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    for doc in gold_docs(spacy.blank("xx")):
        assert [t.tag_ for t in joint(doc.text)] == [t.tag_ for t in again(doc.text)]


def test_a_sweep_s_plan_can_ask_for_it(bert: str, tmp_path: Path) -> None:
    block = '{"@callbacks": "dlfa_spacy.realign.v1", "parallel": "text", "every": 2}'
    (tmp_path / "plan.cfg").write_text(
        f'[sweep]\ncorpus = "{make_corpus(tmp_path / "corpus")}"\ntasks = ["pos"]\n'
        f'methods = ["last"]\n\n[sweep.encoders]\ntiny = "{bert}"\n\n'
        f"[sweep.overrides]\ntraining.before_update = {block}\n"
    )
    (run,) = make_runs(read_plan(tmp_path / "plan.cfg"), tmp_path / "out")
    written = run_config(run, 24).to_str(interpolate=False)
    block = Config().from_str(written, interpolate=False)["training"]["before_update"]
    assert registry.resolve({"block": block})["block"].every == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"every": 0}, "every = 0: expected 1"),
        ({"batch_size": 0}, "batch_size = 0: expected 1"),
        ({"coefficient": 0.0}, "coefficient = 0.0: expected a number above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_realign_v1("text", **wrong)


def test_what_is_missing_is_named_at_the_first_step(bert: str, tmp_path: Path) -> None:
    both: Bench = bench(bert, {"tagger": "last"})
    step = {"step": 0, "epoch": 0}
    with pytest.raises(ValueError, match='component = "tagger": found no'):
        callback(tmp_path, component="tagger")(both.nlp, step)
    (tmp_path / "de-en.tsv").write_text("ja\tyes\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no words are linked.*Fix"):
        build_realign_v1(str(tmp_path / "de-en.tsv"))(both.nlp, step)
