"""Commands that are killed at any moment and given again end as if nothing had happened.

Two kills a command; with DLFA_KILLS=20 in the environment, twenty.
"""

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from aligned import write_text
from killing import start
from life import config
from optimized import trained
from sweeps import make_corpus, make_plan

from dlfa_spacy.cli import app
from dlfa_spacy.runs import read_table, schedule
from dlfa_spacy.runs.plan import plan_text

KILLS = int(os.environ.get("DLFA_KILLS", "2"))

pytestmark = [
    pytest.mark.slow,
    # A fork with torch and its threads loaded is safe on Linux alone.
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and kills with a signal"),
]


def complete(work: Callable[[], None], log: Path) -> float:
    """Run something to its end. RETURNS (float): Seconds."""
    begin = time.perf_counter()
    _, status = os.waitpid(start(work, log), 0)
    assert status == 0, log.read_text(encoding="utf-8", errors="replace")[-3000:]
    return time.perf_counter() - begin


def kill_again_and_again(
    work: Callable[[], None],
    log: Path,
    seconds: float,
    check: Callable[[], None],
    kills: int = KILLS,
) -> None:
    """Start something, kill it and all that it has started, look; then let it end."""
    moments = random.Random(7)
    for _ in range(kills):
        process = start(work, log)
        time.sleep(moments.uniform(0, seconds))
        try:
            os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:
            # Before it had a group of its own.
            os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        check()
    complete(work, log)


def dlfa(*arguments: object) -> Callable[[], None]:
    def work() -> None:
        app([str(argument) for argument in arguments], standalone_mode=False)

    return work


def content(folder: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """RETURNS: A hash of each file, but those under a temporary name."""
    files = [path for path in sorted(folder.rglob("[!.]*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in without
    }


@pytest.fixture(scope="module")
def model(bert: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    trained(bert).to_disk(folder)
    return folder


def test_optimize(model: Path, tmp_path: Path) -> None:
    log, out, alone = tmp_path / "log", tmp_path / "out", tmp_path / "alone" / "out"
    seconds = complete(dlfa("optimize", model, alone, "--int8"), log)
    # OUT holds an older result.
    complete(dlfa("optimize", model, out, "--half"), log)
    old = content(out)

    def check() -> None:
        assert content(out) in (old, content(alone))

    kill_again_and_again(dlfa("optimize", model, out, "--int8"), log, seconds, check)
    assert content(out) == content(alone)
    assert sorted(os.listdir(tmp_path)) == ["alone", "log", "out"]


def test_align(bert: str, tmp_path: Path) -> None:
    log, out, alone = tmp_path / "log", tmp_path / "out", tmp_path / "alone" / "out"
    text = write_text(tmp_path / "ru-en.tsv")

    def align(target: Path) -> Callable[[], None]:
        more = ["--steps", 12, "--batch-size", 8, "--save-every", 2]
        return dlfa("align", "realign", bert, target, "--parallel", text, *more)

    seconds = complete(align(alone), log)
    kill_again_and_again(align(out), log, seconds, lambda: None)
    # The report names times.
    assert content(out, ("alignment.json",)) == content(alone, ("alignment.json",))
    found, expected = (json.loads((x / "alignment.json").read_text()) for x in (out, alone))
    assert found["losses"] == expected["losses"]
    assert sorted(os.listdir(tmp_path)) == ["alone", "log", "out", "ru-en.tsv"]


def scores(out: Path) -> Any:
    languages = json.loads((out / "scores.json").read_text())["languages"]
    return {language: result["scores"] for language, result in languages.items()}


def test_evaluate(model: Path, tmp_path: Path) -> None:
    log, out, alone = tmp_path / "log", tmp_path / "out", tmp_path / "alone" / "out"
    corpus = make_corpus(tmp_path / "corpus") / "pos"
    seconds = complete(dlfa("evaluate", model, corpus, "--out", alone), log)
    complete(dlfa("evaluate", model, corpus, "--out", out, "--limit", 2), log)
    (out / "notes.txt").write_text("kept")
    # Some tables may be the same after all.
    new = content(alone)
    old = {name: hash_ for name, hash_ in content(out).items() if hash_ != new.get(name)}
    assert {"scores.json", "scores.md", "notes.txt"} <= old.keys()

    def check() -> None:
        # All of the old ones or all of the new ones.
        found = content(out)
        assert {name for name in old if found[name] == old[name]} in ({*old}, {"notes.txt"})

    kill_again_and_again(dlfa("evaluate", model, corpus, "--out", out), log, seconds, check)
    assert scores(out) == scores(alone) and (out / "notes.txt").read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["alone", "corpus", "log", "out"]


def test_sweep(bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are finished stay finished."""
    # The libraries are loaded here already.
    monkeypatch.setattr(schedule, "_context", lambda forks: multiprocessing.get_context("fork"))
    plan = tmp_path / "plan.cfg"
    made = make_plan(make_corpus(tmp_path / "corpus"), bert, methods=["last"], epochs=1)
    plan.write_text(plan_text(made), encoding="utf-8")
    log, out, alone = tmp_path / "log", tmp_path / "out", tmp_path / "alone"
    seconds = complete(dlfa("sweep", plan, "--out", alone, "--jobs", 1), log)
    finished: dict[str, str] = {}

    def check() -> None:
        found = {str(path): path.read_text() for path in out.rglob("metrics.json")}
        assert finished.items() <= found.items()
        finished.update(found)

    work = dlfa("sweep", plan, "--out", out, "--jobs", 1)
    kill_again_and_again(work, log, seconds, check, kills=max(1, KILLS // 2))
    check()
    assert len(finished) == 2
    assert read_table(out).equals(read_table(alone))
    assert (out / "results.csv").read_bytes() == (alone / "results.csv").read_bytes()


def test_train_with_a_cache_folder(bert: str, tmp_path: Path) -> None:
    """What a killed training has left in the cache serves the next one, and changes nothing."""
    corpus = make_corpus(tmp_path / "corpus") / "pos" / "en"
    log = tmp_path / "log"

    def train(name: str) -> Callable[[], None]:
        settings = config(bert, ["tagger"], "mix")
        settings["components"]["transformer"]["cache"] = str(tmp_path / name / "cache")
        reader = {"@readers": "spacy.Corpus.v1"}
        settings["corpora"] = {
            s: {**reader, "path": str(corpus / f"{s}.spacy")} for s in ("train", "dev")
        }
        settings["training"] = {
            "seed": 1,
            "max_steps": 20,
            "eval_frequency": 5,
            "frozen_components": ["transformer"],
            "annotating_components": ["transformer"],
            "logger": {"@loggers": "spacy.ConsoleLogger.v1"},
        }

        def work() -> None:
            from spacy.cli.train import train

            filled = spacy.util.load_model_from_config(settings, auto_fill=True).config
            (tmp_path / name).mkdir(exist_ok=True)
            filled.to_disk(tmp_path / name / "config.cfg")
            train(tmp_path / name / "config.cfg", tmp_path / name / "out")

        return work

    seconds = complete(train("alone"), log)
    kill_again_and_again(train("killed"), log, seconds, lambda: None)
    # The path of the cache is in the configs, the time of training in none.
    skipped = ("config.cfg",)
    alone = content(tmp_path / "alone" / "out" / "model-last", skipped)
    assert alone and content(tmp_path / "killed" / "out" / "model-last", skipped) == alone


def test_project_run(tmp_path: Path) -> None:
    source = tmp_path / "source" / "de"
    source.mkdir(parents=True)
    (source / "test.iob2").write_text("Ada\tB-PER\nsat\tO\n\n" * 500)
    dlfa_script = Path(sys.executable).with_name("dlfa")
    command = f"{dlfa_script} convert source corpus"
    step = {"name": "convert", "script": [command], "deps": ["source"], "outputs": ["corpus"]}
    (tmp_path / "project.yml").write_text(
        json.dumps({"title": "t", "commands": [step], "workflows": {"all": ["convert"]}})
    )

    def work() -> None:
        from spacy.cli import setup_cli

        sys.argv = ["spacy", "project", "run", "convert", str(tmp_path)]
        try:
            setup_cli()
        except SystemExit as end:
            assert not end.code

    log, corpus = tmp_path / "log", tmp_path / "corpus"
    alone = tmp_path / "alone"
    complete(dlfa("convert", tmp_path / "source", alone), log)

    def check() -> None:
        assert not corpus.exists() or set(content(corpus).items()) <= set(content(alone).items())

    # So long it takes at least, with the libraries that the command loads.
    kill_again_and_again(work, log, 6.0, check, kills=max(1, KILLS // 2))
    assert content(corpus) == content(alone)
