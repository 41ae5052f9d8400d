"""Sweeps that are done, that fail in part, and that are killed at any moment."""

import io
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import pytest
import spacy
import torch
from devices import check_thinc, needs_gpu
from filelock import FileLock
from rich.console import Console
from sweeps import make_corpus, make_plan
from transformers import AutoModel
from typer.testing import CliRunner

from dlfa_spacy.cli import app
from dlfa_spacy.corpora.docbin import write_docs
from dlfa_spacy.corpora.loading import read_docs
from dlfa_spacy.report.common_confusions import common_confusions
from dlfa_spacy.report.compare import compare
from dlfa_spacy.report.report import write_report
from dlfa_spacy.report.sweep_runs import read_sweep
from dlfa_spacy.runs import read_table, target
from dlfa_spacy.runs.children import environment
from dlfa_spacy.runs.plan import Plan, plan_text
from dlfa_spacy.runs.sweep import LOCK, SweepResult, run_sweep

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def plan(corpus: Path, bert: str) -> Plan:
    return make_plan(corpus, bert)


def sweep(plan: Plan, out: Path, **settings: Any) -> tuple[SweepResult, str]:
    said = io.StringIO()
    console = Console(file=said, width=200)
    return run_sweep(plan, out, console=console, devices=[-1, -1], **settings), said.getvalue()


@pytest.fixture(scope="module")
def done(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that nothing disturbed."""
    out = tmp_path_factory.mktemp("sweep") / "done"
    result, said = sweep(plan, out)
    assert not result.failures
    assert said.count("POS accuracy") == 4 and "4/4" in said
    return out


def same(one: Path, other: Path) -> bool:
    """Whether two sweeps have the same table, to the last digit."""
    pandas.testing.assert_frame_equal(read_table(one), read_table(other), check_exact=True)
    return (one / "results.csv").read_bytes() == (other / "results.csv").read_bytes()


def records(out: Path) -> list[dict[str, Any]]:
    paths = sorted(out.rglob("metrics.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def test_every_run_has_every_language_in_the_table(done: Path) -> None:
    frame = read_table(done)
    accuracy = frame[frame["metric"] == "pos_token_accuracy"]
    assert len(accuracy) == 2 * 2 * 4
    where = set(accuracy["language"] + "/" + accuracy["split"])
    assert where == {"en/test", "en/dev", "de/test", "fr/dev"}
    assert set(accuracy["aggregator"]) == {"last", "dlfa"} and set(accuracy["seed"]) == {0, 1}
    assert (accuracy["count"] > 24).all() and accuracy["value"].between(0.3, 1).all()
    # Seeds and methods differ, else all that follows would compare nothing.
    assert accuracy.groupby(["aggregator", "seed"])["value"].apply(tuple).nunique() > 2


def test_a_corpus_whose_splits_are_folders_gives_the_same_scores(
    corpus: Path, bert: str, done: Path, tmp_path: Path
) -> None:
    # As `dlfa convert` writes more than 100,000 texts, such as those of XNLI.
    for path in corpus.glob("*/*/*.spacy"):
        shards = tmp_path / path.relative_to(corpus)
        assert write_docs(read_docs(path), shards, shard_size=7) == 24 and shards.is_dir()
    plan = make_plan(tmp_path, bert, methods=["last"], seeds=[0])
    result, _ = sweep(plan, tmp_path / "out")
    assert not result.failures
    whole = read_table(done)
    expected = whole[(whole["aggregator"] == "last") & (whole["seed"] == 0)].reset_index(drop=True)
    pandas.testing.assert_frame_equal(read_table(tmp_path / "out"), expected, check_exact=True)
    limited = make_plan(tmp_path, bert, methods=["last"], seeds=[0], epochs=1, train_limit=16)
    result, _ = sweep(limited, tmp_path / "limited")
    assert not result.failures


def test_a_run_keeps_what_an_analysis_needs_and_no_weights(done: Path) -> None:
    for record in records(done):
        epochs = [point["epoch"] for point in record["history"]]
        # Of 24 texts in batches of 8, each epoch has 3 steps and ends with a look at dev.
        assert [point["step"] for point in record["history"]] == [3, 6] and len(epochs) == 2
        best = max(point["score"] for point in record["history"])
        (dev,) = [
            row["value"]
            for row in record["scores"]
            if (row["language"], row["split"], row["metric"]) == ("en", "dev", "pos_token_accuracy")
        ]
        # The weights that were scored are those of the best checkpoint.
        assert dev == pytest.approx(best)
        assert record["speed"]["train_wordpieces"] > 0 and record["seconds"]["train"] > 0
        assert record["counts"]["de/test"]["pos_gold_tokens"] > 24
    assert not list(done.rglob("model-best"))
    assert (done / "runs/pos/tiny/last/seed-0/config.cfg").is_file()


def test_a_run_keeps_what_was_taken_for_what_and_the_report_shows_it(
    done: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    for record in records(done):
        accuracy = {
            f"{row['language']}/{row['split']}": row["value"]
            for row in record["scores"]
            if row["metric"] == "pos_token_accuracy"
        }
        assert record["confusions"].keys() == accuracy.keys()
        for place, tables in record["confusions"].items():
            table = tables["pos"]
            total = sum(sum(row.values()) for row in table.values())
            right = sum(row.get(gold, 0) for gold, row in table.items())
            assert total == record["counts"][place]["pos_gold_tokens"]
            assert right / total == pytest.approx(accuracy[place])
    runs = read_sweep(done)
    wrong = {
        (run.variant, run.seed): run.confusions["de"]["pos"].get("VERB", {}).get("NOUN", 0)
        for run in runs
    }
    assert sum(wrong.values()) > 0
    (comparison,) = [c for c in compare(runs) if c.metric == "pos_token_accuracy"]
    german = common_confusions(comparison)["de"]
    (found,) = [c for c in german if (c.gold, c.predicted) == ("VERB", "NOUN")]
    assert found.counts["last"] == pytest.approx((wrong["last", 0] + wrong["last", 1]) / 2)
    write_report(done, tmp_path)
    assert "VERB → NOUN" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_random_init_ablation_is_a_sweep_and_its_summary(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    out = tmp_path / "blocks"
    plan = make_plan(corpus, bert, methods=["last", "reinit:all"], seeds=[0], epochs=1)
    result, _ = sweep(plan, out)
    assert not result.failures
    ran = CliRunner().invoke(
        app, ["analyze", "random-init", str(out), "--out", str(tmp_path / "analysis")]
    )
    assert ran.exit_code == 0, ran.output
    table = read_table(out)
    table = table[table["split"].eq("test") | table["language"].ne("en")]
    table = table[table["metric"] == "pos_token_accuracy"].set_index(["aggregator", "language"])
    summary = pandas.read_csv(tmp_path / "analysis" / "random_init.csv")
    summary = summary[summary["metric"] == "pos_token_accuracy"]
    assert set(summary["group"]) == {"reinit:1-2", "reinit:3-4"}
    delta = summary.set_index(["group", "language"])["delta"]
    value = table["value"]
    for group in ("reinit:1-2", "reinit:3-4"):
        own = {name: value[group, name] - value["last", name] for name in ("en", "de", "fr")}
        targets = (own["de"] + own["fr"]) / 2
        # The file has six digits.
        assert delta[group].to_dict() == pytest.approx(
            {**own, "targets": targets, "gap": own["en"] - targets}, abs=2e-6
        )
    assert value.groupby("aggregator").apply(tuple).nunique() == 3
    assert {run.variant for run in read_sweep(out)} == {"last", "reinit:1-2", "reinit:3-4"}


def test_a_sweep_that_is_done_runs_nothing(done: Path, plan: Plan) -> None:
    before = {path: path.stat().st_mtime_ns for path in done.rglob("metrics.json")}
    result, said = sweep(plan, done)
    assert result.n_before == 4 and "seed" not in said
    assert before == {path: path.stat().st_mtime_ns for path in done.rglob("metrics.json")}


def test_another_setting_does_not_get_into_the_same_table(done: Path, plan: Plan) -> None:
    settings = {**plan.__dict__, "learn_rate": 1e-2}
    with pytest.raises(ValueError, match="learn_rate = 0.001, the plan says 0.01"):
        sweep(Plan(**settings), done)


def test_the_command_goes_on_in_its_folder_unless_told_not_to(done: Path) -> None:
    result = CliRunner().invoke(app, ["sweep", str(done)])
    assert result.exit_code == 0 and "4 of 4 runs done (4 before)" in result.output
    result = CliRunner().invoke(app, ["sweep", str(done), "--no-resume"])
    assert result.exit_code == 1 and "found a sweep there" in result.output


def test_the_command_names_what_it_does_not_understand(tmp_path: Path) -> None:
    def said(*options: str) -> str:
        result = CliRunner().invoke(app, ["sweep", str(tmp_path / "x"), *options])
        assert result.exit_code == 1 and "Traceback" not in result.output
        return result.output

    assert "found no corpus" in said("--tasks", "pos")
    assert "--epochs: found 'many'" in said("--epochs", "pos=many")
    assert "--seeds: found 'a'" in said("--seeds", "0,a")
    assert "--encoders enc" in said("--encoders", "enc")
    assert "there is no such file" in said("--plan", "none.cfg")
    assert not (tmp_path / "x").exists()
    result = CliRunner().invoke(app, ["sweep", "--help"], env={"COLUMNS": "160"})
    assert "Examples" in result.output and "[cyan]" not in result.output


def test_two_sweeps_do_not_share_a_folder(plan: Plan, tmp_path: Path) -> None:
    with FileLock(tmp_path / LOCK), pytest.raises(ValueError, match="another sweep is using"):
        sweep(plan, tmp_path)
    assert not (tmp_path / "results.sqlite").exists()


@pytest.mark.skipif(os.name != "posix", reason="kills with a signal")
def test_a_run_whose_process_is_killed_fails_alone_and_is_done_again(
    done: Path, plan: Plan, tmp_path: Path
) -> None:
    def kill_the_first() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(children[0].pid or 0, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    result, said = sweep(plan, tmp_path)
    killer.join()
    ((name, reason),) = result.failures.values()
    assert "killed by SIGKILL" in reason and name in said
    assert len(read_table(tmp_path).groupby(["aggregator", "seed"])) == 3
    result, _ = sweep(plan, tmp_path)
    assert result.n_before == 3 and not result.failures
    assert same(tmp_path, done)


def test_a_run_that_fails_is_reported_with_the_end_of_its_log_and_the_rest_is_done(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    broken = make_corpus(tmp_path / "corpus", "ner") / "ner" / "en" / "test.spacy"
    make_corpus(tmp_path / "corpus")
    broken.write_bytes(b"no DocBin")
    path = tmp_path / "plan.cfg"
    settings = {"tasks": ["ner", "pos"], "methods": ["attention"], "seeds": [0], "epochs": 1}
    path.write_text(plan_text(make_plan(tmp_path / "corpus", bert, **settings)), encoding="utf-8")
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["sweep", str(path), "--out", str(out), "--jobs", "2"])
    assert result.exit_code == 1, result.output
    assert "1 of 2 runs done" in result.output
    assert "failed ner/tiny/attention/seed-0: ended with exit code 1" in result.output
    assert "Error" in result.output
    assert set(read_table(out)["task"]) == {"pos"}
    # What attention looks at is kept, layer by layer, for each language.
    (record,) = records(out)
    weights = record["layer_weights"]["by_language"]["de/test"]["tagger"]
    assert len(weights) == 5 and sum(weights) == pytest.approx(1)
    # Mended, the same folder is all that the command needs.
    broken.write_bytes((corpus / "pos" / "en" / "train.spacy").read_bytes())
    result = CliRunner().invoke(app, ["sweep", str(out), "--keep-models"])
    assert result.exit_code == 0, result.output
    assert "2 of 2 runs done (1 before)" in result.output
    assert set(read_table(out)["task"]) == {"ner", "pos"}
    assert [path.parent.parent.parent.parent.name for path in out.rglob("model-best")] == ["ner"]


def begun_and_done(out: Path) -> set[str]:
    """The files by which a run says that it has begun, or is done. `os.walk` does not mind folders
    that the sweep removes meanwhile, as `Path.rglob` does before Python 3.13."""
    return {
        os.path.join(folder, name)
        for folder, _, names in os.walk(out)
        for name in {"progress.json", "metrics.json"}.intersection(names)
    }


@pytest.mark.parametrize("seed", [0])
def test_a_sweep_that_is_killed_at_any_moment_ends_with_the_same_table(
    done: Path, plan: Plan, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    (tmp_path / "plan.cfg").write_text(plan_text(plan), encoding="utf-8")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "dlfa_spacy.cli", "sweep", str(tmp_path / "plan.cfg")]
    command += ["--out", str(out), "--jobs", "2", "--quiet"]
    process = subprocess.Popen(command)
    # Once a run has begun, or is done: any moment after that.
    while process.poll() is None and not begun_and_done(out):
        time.sleep(0.02)
    time.sleep(rng.uniform(0, 0.5))
    process.kill()
    process.wait()
    assert len(records(out)) < 4
    result, _ = sweep(plan, out)
    assert not result.failures
    assert same(out, done)
    assert not list(out.rglob("model-best"))


def test_a_frozen_sweep_encodes_each_text_once_and_trains_nothing_of_the_encoder(
    corpus: Path, bert: str, tmp_path: Path, device: int
) -> None:
    settings = {"methods": ["last", "layer:2"], "frozen": True, "tasks": ["pos"], "epochs": 1}
    plan = make_plan(corpus, bert, **settings)
    result = run_sweep(plan, tmp_path, quiet=True, keep_models=True, devices=[device])
    assert not result.failures
    layers = {path.name.partition(".")[0] for path in (tmp_path / "layers").glob("*/*.f16")}
    assert layers == {"layer_02", "layer_04"}
    # The sweep itself wrote them all, before its runs began.
    assert len({path.name.split(".")[1] for path in (tmp_path / "layers").glob("*/*.f16")}) == 1
    for run in result.runs:
        assert run.frozen and run.content()["frozen"]
        nlp = spacy.load(tmp_path / "runs" / run.name / "model-best")
        trained = nlp.get_pipe("transformer").model.transformer.state_dict()
        before = AutoModel.from_pretrained(bert).state_dict()
        assert all(torch.equal(trained[name], before[name]) for name in trained)


@pytest.mark.gpu
@needs_gpu
def test_a_gpu_trains_the_encoder_too(corpus: Path, bert: str, tmp_path: Path) -> None:
    check_thinc()
    plan = make_plan(corpus, bert, methods=["dlfa:2"], seeds=[0])
    result = run_sweep(plan, tmp_path, quiet=True, devices=[0])
    assert not result.failures
    (record,) = records(tmp_path)
    assert record["device"] == torch.cuda.get_device_name(0)


@pytest.mark.parametrize("visible, expected", [(None, "1"), ("2,5", "5")])
def test_a_run_sees_its_gpu_of_those_that_the_sweep_was_left(
    visible: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(*given: Any) -> None:
        seen.append(os.environ["CUDA_VISIBLE_DEVICES"])

    monkeypatch.setattr("dlfa_spacy.runs.run.run_process", look)
    # Set before it is taken away, so that it is as before afterwards.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible or "")
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    target.run_process("folder", SimpleNamespace(), 1, 1, False)  # type: ignore[arg-type]
    assert seen == [expected]


@pytest.mark.parametrize("device, expected", [(-1, ""), (1, "2,5")])
def test_a_process_on_the_cpu_sees_no_gpu(
    device: int, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], os.environ['OMP_NUM_THREADS'])"
    with environment(device):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said == f"{expected} 1\n" and os.environ["CUDA_VISIBLE_DEVICES"] == "2,5"


def test_sweeps_share_a_store_and_say_what_they_put_there(
    corpus: Path, bert: str, tmp_path: Path
) -> None:
    settings = {"methods": ["last", "layer:2"], "frozen": True, "epochs": 1, "seeds": [0]}
    store = tmp_path / "store"
    plan = make_plan(corpus, bert, **settings)
    first, said = sweep(plan, tmp_path / "first", store=store)
    assert not first.failures and not (tmp_path / "first" / "layers").exists()
    files = sorted(store.glob("*/*.f16"))
    assert {".".join(path.name.split(".")[:4]) for path in files} == {
        f"layer_{layer}.pos.{part}"
        for layer in ("02", "04")
        for part in ("en.train", "en.dev", "en.test", "de.test", "fr.dev")
    }
    size = sum(path.stat().st_size for path in files)
    assert re.search(r"pos: encoding (\d+) of 120 texts, 2 layers, ([\d.]+) GB into", said)
    # Another sweep reads what is there, and adds the one layer that nobody has read.
    before = {path: path.stat().st_mtime_ns for path in files}
    more = make_plan(corpus, bert, **{**settings, "methods": ["last", "layer:2", "layer:3"]})
    second, said = sweep(more, tmp_path / "second", store=store)
    assert not second.failures
    assert {path: path.stat().st_mtime_ns for path in files} == before
    added = [path for path in store.glob("*/*.f16") if path not in before]
    assert {path.name.split(".")[0] for path in added} == {"layer_03"}
    assert 2 * sum(path.stat().st_size for path in added) == size
    table = read_table(tmp_path / "second")
    table = table[table["layer"].fillna(0) != 3].reset_index(drop=True)
    pandas.testing.assert_frame_equal(table, read_table(tmp_path / "first"), check_exact=True)
    assert set(table["regime"]) == {"frozen"} and set(table["texts"]) == {24}


def test_a_store_that_does_not_fit_is_refused_before_anything_is_encoded(
    corpus: Path, bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(corpus, bert, frozen=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(ValueError, match=r"found 0.0 GB free, expected .* GB for 2 layers.*Fix:"):
        sweep(plan, tmp_path / "out", store=tmp_path / "store")
    assert not list((tmp_path / "store").iterdir())
